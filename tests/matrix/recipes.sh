#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# How the published programs are started, and what work they are given. Source it after lib.sh.

# Cycles that a server under load has to show.
readonly LOAD_MIN_CYCLES=50

# ---- What the programs work on ------------------------------------------------------------------

# make_modules FOLDER COUNT EXTENSION : modules of an exported table and a function each, and an
# index that imports them all. The text is JavaScript, and TypeScript too.
make_modules() {
	mkdir -p "$1"
	awk -v folder="$1" -v count="$2" -v ext="$3" 'BEGIN {
		main = folder "/index." ext
		for (i = 0; i < count; i++) {
			file = folder "/module" i "." ext
			print "export const table" i " = [" > file
			for (j = 0; j < 60; j++)
				printf "  { name: \"row %d of %d\", value: %d, tags: [\"a%d\", \"b%d\"] },\n",
					j, i, i * j, j, i > file
			print "];" > file
			printf "export function sum%d() {\n  return table%d.map((row) => row.value)" \
				".reduce((a, b) => a + b, 0);\n}\n", i, i > file
			close(file)
			printf "import { sum%d } from \"./module%d\";\n", i, i > main
		}
		print "let total = 0;" > main
		for (i = 0; i < count; i++)
			printf "total += sum%d();\n", i > main
		print "console.log(total);" > main
	}'
}

make_site() {
	local site=$1
	mkdir -p "$site/content/posts" "$site/layouts/_default"
	echo 'baseURL = "http://127.0.0.1/"' >"$site/config.toml"
	echo '<html><h1>{{ .Title }}</h1>{{ .Content }}</html>' >"$site/layouts/_default/single.html"
	echo '<html>{{ range .Site.RegularPages }}<p>{{ .Title }}{{ .Summary }}{{ end }}</html>' \
		>"$site/layouts/_default/list.html"
	awk -v folder="$site/content/posts" 'BEGIN {
		for (page = 0; page < 300; page++) {
			file = folder "/page" page ".md"
			printf "---\ntitle: Page %d\ndate: 2020-01-01\ntags: [t%d]\n---\n", page, page % 20 > file
			for (i = 0; i < 80; i++)
				printf "## Heading %d\n\nSome *text* of no interest.\n\n", i > file
			close(file)
		}
	}'
}

make_files() {
	mkdir -p "$1"
	(cd "$1" && head -c "$2" /dev/urandom | split -a 3 -b "$3")
}

prometheus_config() {
	cat <<-END
		global: { scrape_interval: 1s }
		scrape_configs:
		  - job_name: self
		    static_configs: [ { targets: [ "127.0.0.1:$1" ] } ]
	END
}

# ---- The recipes ---------------------------------------------------------------------------------
# Each sets ARGUMENTS, and as needed: ENVIRONMENT (exported for the run), LOAD (arguments of the load
# program; none for a batch program), MIN_CYCLES.

recipe_esbuild() {
	make_modules "$1/bundle" 200 js
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=("$1/bundle/index.js" --bundle "--servedir=$1/bundle" "--serve=127.0.0.1:$2"
		"--outdir=$1/bundle")
	LOAD=("http://127.0.0.1:$2/index.js")
}

recipe_tsgo() {
	make_modules "$1/project" 300 ts
	echo '{ "compilerOptions": { "target": "es2020", "strict": true }, "include": ["*.ts"] }' \
		>"$1/project/tsconfig.json"
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=(--noEmit -p "$1/project")
	MIN_CYCLES=5
}

recipe_node_exporter() {
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=("--web.listen-address=127.0.0.1:$2")
	LOAD=("http://127.0.0.1:$2/metrics")
}

recipe_prometheus() {
	prometheus_config "$2" >"$1/prometheus.yml"
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=("--web.listen-address=127.0.0.1:$2" "--config.file=$1/prometheus.yml"
		"--storage.tsdb.path=$1/tsdb")
	LOAD=("http://127.0.0.1:$2/metrics")
}

recipe_etcd() {
	local client=http://127.0.0.1:$2 peer=http://127.0.0.1:$3
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=(--data-dir "$1/etcd" --listen-client-urls "$client" --advertise-client-urls "$client"
		--listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer"
		--initial-cluster "default=$peer")
	LOAD=(-put 20000 "$client/v3/kv/put")
}

# A folder that it lists anew for every answer: sending a file would allocate next to nothing.
recipe_caddy() {
	make_files "$1/site" 40000 200
	ENVIRONMENT=(GOGC=20)
	ARGUMENTS=(file-server --browse --listen "127.0.0.1:$2" --root "$1/site")
	LOAD=("http://127.0.0.1:$2/")
}

recipe_hugo() {
	make_site "$1/site"
	ENVIRONMENT=("LD_LIBRARY_PATH=$(corpus_libraries hugo)")
	ARGUMENTS=(--source "$1/site" --destination "$1/out" --cacheDir "$1/cache")
	MIN_CYCLES=5
}

recipe_restic() {
	make_files "$1/data" 90M 1M
	ENVIRONMENT=(RESTIC_PASSWORD=secret "RESTIC_REPOSITORY=$1/repository")
	ARGUMENTS=(--no-cache backup "$1/data")
	env "${ENVIRONMENT[@]}" "$(corpus_program restic)" --no-cache init >/dev/null
	MIN_CYCLES=10
}

recipe_kubectl() {
	ENVIRONMENT=(GOGC=2)
	ARGUMENTS=(create deployment x --image=y --dry-run=client -o yaml)
	MIN_CYCLES=10
}

# ---- Preparing one ------------------------------------------------------------------------------

port_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

NEXT_PORT=21500
free_port() {
	until port_free "$NEXT_PORT"; do
		NEXT_PORT=$((NEXT_PORT + 1))
	done
	FREE_PORT=$NEXT_PORT
	NEXT_PORT=$((NEXT_PORT + 1))
}

# All caddies have one recipe, and so on: the name without its version.
recipe_prepare() {
	local name=$1 work=$2 port
	# shellcheck disable=SC2034 # for those that source this
	ENVIRONMENT=() ARGUMENTS=() LOAD=() MIN_CYCLES=$LOAD_MIN_CYCLES
	free_port
	port=$FREE_PORT
	free_port
	"recipe_${name%%-*}" "$work" "$port" "$FREE_PORT"
}
