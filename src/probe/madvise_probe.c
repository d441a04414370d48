// SPDX-License-Identifier: BSD-2-Clause
#include "gctap/madvise_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "madvise.skel.h"
#include "probe/calibrate.h"
#include "probe/kernel_side.h"

#define RING_BYTES_DEFAULT (1u << 20)

#define TRACEFS	      "/sys/kernel/tracing"
#define DEBUGFS	      "/sys/kernel/debug/tracing"
#define TRACEPOINT_ID "/events/syscalls/sys_exit_madvise/id"

#define TRIAL_PAGES 16
#define TRIALS_MAX  8

enum program { PROGRAM_BEGIN, PROGRAM_END, PROGRAM_EXEC, PROGRAMS };

struct madvise_probe {
	struct madvise_bpf *skeleton;
	struct ring_buffer *ring;
	struct bpf_link *links[PROGRAMS];
	enum madvise_way way;
	enum madvise_rss rss;
	size_t page_bytes;
	madvise_event_handler handler; /* during madvise_probe_consume() only */
	void *context;
};

enum madvise_way madvise_probe_way(const struct madvise_probe *probe)
{
	return probe->way;
}

const char *madvise_way_name(enum madvise_way way)
{
	static const char *const names[MADVISE_WAYS] = {
		[MADVISE_FENTRY] = "fentry",
		[MADVISE_TRACEPOINT] = "tracepoint",
		[MADVISE_TP_BTF] = "tp_btf",
	};

	return way < MADVISE_WAYS ? names[way] : "unknown";
}

enum madvise_rss madvise_probe_rss(const struct madvise_probe *probe)
{
	return probe->rss;
}

/* ---- Processes ---------------------------------------------------------------------------------- */

static int processes_fd(const struct madvise_probe *probe)
{
	return bpf_map__fd(probe->skeleton->maps.processes);
}

static bool range_valid(uint64_t start, uint64_t end)
{
	return start < end && end <= INT64_MAX;
}

static bool process_valid(const struct gctap_madvise_process *process)
{
	if (process->nr_ranges > GCTAP_MADVISE_RANGES_MAX)
		return false;
	for (uint32_t i = 0; i < process->nr_ranges; i++)
		if (!range_valid(process->ranges[i].start, process->ranges[i].end))
			return false;
	if (!process->text_start && !process->text_end)
		return true;
	return range_valid(process->text_start, process->text_end) &&
	       range_valid(process->madvise.start, process->madvise.end);
}

int madvise_probe_add(struct madvise_probe *probe, uint32_t pid, const struct gctap_madvise_process *process,
		      struct failure *failure)
{
	struct gctap_madvise_process added = *process;

	if (!pid || !process_valid(process))
		return failure_set(failure, -EINVAL, "not valid addresses to account for madvise by");
	added.execs = 0;
	added.start_ns = 0;
	if (!bpf_map_update_elem(processes_fd(probe), &pid, &added, BPF_ANY))
		return 0;
	if (errno == E2BIG)
		return failure_set(failure, -ENOSPC, "more than %d processes at a time to account for madvise of",
				   GCTAP_MADVISE_PROCESSES_MAX);
	return failure_set(failure, -errno, "cannot store what to account for madvise by: %s", strerror(errno));
}

int madvise_probe_execs(const struct madvise_probe *probe, uint32_t pid, uint32_t *execs)
{
	struct gctap_madvise_process process;

	if (bpf_map_lookup_elem(processes_fd(probe), &pid, &process))
		return -errno;
	*execs = process.execs;
	return 0;
}

int madvise_probe_start(const struct madvise_probe *probe, uint32_t pid, uint64_t *start_ns)
{
	struct gctap_madvise_process process;

	if (bpf_map_lookup_elem(processes_fd(probe), &pid, &process))
		return -errno;
	*start_ns = process.start_ns;
	return 0;
}

void madvise_probe_remove(struct madvise_probe *probe, uint32_t pid)
{
	bpf_map_delete_elem(processes_fd(probe), &pid);
}

/* ---- Sums --------------------------------------------------------------------------------------- */

/* 0, 1 behind the last one, or a negative errno. */
static int key_after(int fd, const void *key, void *next)
{
	if (!bpf_map_get_next_key(fd, key, next))
		return 0;
	return errno == ENOENT ? 1 : -errno;
}

/*
 * Calls @visit with each key of a map of @value_bytes large values. The key after is
 * asked for first: it would be the first one again if the visit deleted this one.
 */
static int each_entry(int fd, void *key, void *next, size_t key_bytes, void *value, int (*visit)(void *context),
		      void *context)
{
	int answer = 0, end = key_after(fd, NULL, key);

	while (!end && !answer) {
		end = key_after(fd, key, next);
		if (bpf_map_lookup_elem(fd, key, value) == 0)
			answer = visit(context);
		else if (errno != ENOENT)
			return -errno;
		memcpy(key, next, key_bytes);
	}
	return end < 0 ? end : answer;
}

struct sum_round {
	struct gctap_madvise_key key, next;
	struct gctap_madvise_sum sum;
	madvise_sum_handler handler;
	void *context;
};

static int sum_visit(void *context)
{
	const struct sum_round *round = context;

	return round->handler(&round->key, &round->sum, round->context);
}

int madvise_probe_each_sum(const struct madvise_probe *probe, madvise_sum_handler handler, void *context)
{
	struct sum_round round = { .handler = handler, .context = context };

	return each_entry(bpf_map__fd(probe->skeleton->maps.sums), &round.key, &round.next, sizeof(round.key),
			  &round.sum, sum_visit, &round);
}

struct error_round {
	struct gctap_madvise_error_key key, next;
	uint64_t calls;
	madvise_error_handler handler;
	void *context;
};

static int error_visit(void *context)
{
	const struct error_round *round = context;

	return round->handler(&round->key, round->calls, round->context);
}

int madvise_probe_each_error(const struct madvise_probe *probe, madvise_error_handler handler, void *context)
{
	struct error_round round = { .handler = handler, .context = context };

	return each_entry(bpf_map__fd(probe->skeleton->maps.errors), &round.key, &round.next, sizeof(round.key),
			  &round.calls, error_visit, &round);
}

struct forgotten {
	struct madvise_probe *probe;
	uint32_t pid;
};

static int sum_forget(const struct gctap_madvise_key *key, const struct gctap_madvise_sum *sum, void *context)
{
	const struct forgotten *forgotten = context;

	(void)sum;
	if (key->pid == forgotten->pid)
		bpf_map_delete_elem(bpf_map__fd(forgotten->probe->skeleton->maps.sums), key);
	return 0;
}

static int error_forget(const struct gctap_madvise_error_key *key, uint64_t calls, void *context)
{
	const struct forgotten *forgotten = context;

	(void)calls;
	if (key->call.pid == forgotten->pid)
		bpf_map_delete_elem(bpf_map__fd(forgotten->probe->skeleton->maps.errors), key);
	return 0;
}

void madvise_probe_forget(struct madvise_probe *probe, uint32_t pid)
{
	struct forgotten forgotten = { .probe = probe, .pid = pid };

	madvise_probe_remove(probe, pid);
	madvise_probe_each_sum(probe, sum_forget, &forgotten);
	madvise_probe_each_error(probe, error_forget, &forgotten);
}

/* ---- Events ------------------------------------------------------------------------------------- */

static int event_received(void *context, void *data, size_t size)
{
	const struct gctap_madvise_event *event = data;
	struct madvise_probe *probe = context;

	if (size < sizeof(*event) || event->cause >= GCTAP_MADVISE_CAUSES || event->comm[GCTAP_COMM_LENGTH - 1])
		return -EPROTO;
	return probe->handler(event, probe->context);
}

int madvise_probe_fd(const struct madvise_probe *probe)
{
	return ring_buffer__epoll_fd(probe->ring);
}

int madvise_probe_consume(struct madvise_probe *probe, madvise_event_handler handler, void *context)
{
	probe->handler = handler;
	probe->context = context;
	return ring_buffer__consume(probe->ring);
}

/* ---- Losses ------------------------------------------------------------------------------------- */

/* Zero before Linux 5.12, which does not count them. */
static int runs_missed(const struct bpf_program *program, uint64_t *runs)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &length))
		return -errno;
	*runs += info.recursion_misses;
	return 0;
}

static void pair_of(const struct madvise_bpf *skeleton, enum madvise_way way, struct bpf_program *programs[PROGRAMS])
{
	struct bpf_program *const pairs[MADVISE_WAYS][2] = {
		[MADVISE_FENTRY] = { skeleton->progs.fentry_begin, skeleton->progs.fentry_end },
		[MADVISE_TRACEPOINT] = { skeleton->progs.tracepoint_begin, skeleton->progs.tracepoint_end },
		[MADVISE_TP_BTF] = { skeleton->progs.tp_btf_begin, skeleton->progs.tp_btf_end },
	};

	programs[PROGRAM_BEGIN] = pairs[way][0];
	programs[PROGRAM_END] = pairs[way][1];
	programs[PROGRAM_EXEC] = skeleton->progs.process_exec;
}

int madvise_probe_losses(const struct madvise_probe *probe, struct madvise_probe_losses *losses)
{
	int fd = bpf_map__fd(probe->skeleton->maps.losses), error = 0;
	struct bpf_program *programs[PROGRAMS];
	uint64_t of[GCTAP_MADVISE_LOSS_COUNT];

	for (uint32_t loss = 0; loss < GCTAP_MADVISE_LOSS_COUNT && !error; loss++)
		error = counter_sum(fd, loss, &of[loss]);
	if (error)
		return error;
	*losses = (struct madvise_probe_losses){
		.events_dropped = of[GCTAP_MADVISE_LOSS_RING_FULL],
		.calls_lost = of[GCTAP_MADVISE_LOSS_SUMS_FULL],
		.errnos_lost = of[GCTAP_MADVISE_LOSS_ERRORS_FULL],
	};
	pair_of(probe->skeleton, probe->way, programs);
	for (int i = 0; i < PROGRAMS && !error; i++)
		error = runs_missed(programs[i], &losses->runs_missed);
	return error;
}

/* ---- Finding a way ------------------------------------------------------------------------------ */

/* libbpf looks in debugfs too. Asked before loading, which takes longer. */
static int tracepoint_check(struct failure *failure)
{
	if (access(TRACEFS TRACEPOINT_ID, R_OK) == 0 || access(DEBUGFS TRACEPOINT_ID, R_OK) == 0)
		return 0;
	if (access(TRACEFS "/events", F_OK) == 0)
		return failure_set(failure, -ENOENT,
				   "the kernel has no tracepoints for madvise (needs CONFIG_FTRACE_SYSCALLS)");
	if (errno == EACCES)
		return failure_set(failure, -EACCES, "not permitted to read " TRACEFS " (run as root)");
	return failure_set(failure, -ENOENT,
			   "tracefs is not mounted at " TRACEFS " (mount -t tracefs tracefs " TRACEFS ")");
}

static void programs_choose(const struct madvise_probe *probe)
{
	struct bpf_program *programs[PROGRAMS], *program;

	pair_of(probe->skeleton, probe->way, programs);
	bpf_object__for_each_program(program, probe->skeleton->obj) bpf_program__set_autoload(program, false);
	for (int i = 0; i < PROGRAMS; i++)
		bpf_program__set_autoload(programs[i], true);
}

static int skeleton_load(struct madvise_probe *probe, const struct madvise_probe_options *options,
			 struct failure *failure)
{
	size_t wanted = options->ring_bytes ? options->ring_bytes : RING_BYTES_DEFAULT;
	size_t ring_bytes = ring_bytes_round(options->stream ? wanted : 1);
	struct madvise_bpf *skeleton;
	uint32_t namespace;
	int error;

	error = pid_namespace_inode(&namespace, failure);
	if (error)
		return error;
	skeleton = madvise_bpf__open();
	if (!skeleton)
		return failure_set(failure, errno ? -errno : -EINVAL, "cannot open the BPF programs: %s",
				   strerror(errno));
	probe->skeleton = skeleton;
	programs_choose(probe);
	skeleton->rodata->own_pid_namespace = namespace;
	skeleton->rodata->wakeup_bytes = ring_wakeup_bytes(ring_bytes);
	skeleton->rodata->page_bytes = probe->page_bytes;
	skeleton->rodata->stream = options->stream;
	skeleton->rodata->stream_releases_only = options->stream_releases_only;
	bpf_map__set_max_entries(skeleton->maps.ring, ring_bytes);
	error = madvise_bpf__load(skeleton);
	if (error)
		return calibrate_explain_load(error, failure);
	return variables_mapped(skeleton->bss, failure);
}

static int programs_attach(struct madvise_probe *probe, struct failure *failure)
{
	struct bpf_program *programs[PROGRAMS];

	pair_of(probe->skeleton, probe->way, programs);
	for (int i = 0; i < PROGRAMS; i++) {
		probe->links[i] = bpf_program__attach(programs[i]);
		if (!probe->links[i])
			return failure_set(failure, -errno, "cannot attach to the system call madvise (%s): %s",
					   madvise_way_name(probe->way), strerror(errno));
	}
	probe->ring = ring_buffer__new(bpf_map__fd(probe->skeleton->maps.ring), event_received, probe, NULL);
	if (!probe->ring)
		return failure_set(failure, -errno, "cannot map the ring buffer: %s", strerror(errno));
	return 0;
}

/* ---- Trying it ---------------------------------------------------------------------------------- */

/* Gives back pages that it has touched. */
static int pages_release(const struct madvise_probe *probe)
{
	size_t bytes = TRIAL_PAGES * probe->page_bytes;
	char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return -errno;
	for (size_t i = 0; i < TRIAL_PAGES; i++)
		*(volatile char *)(pages + i * probe->page_bytes) = 1;
	madvise(pages, bytes, MADV_DONTNEED);
	munmap(pages, bytes);
	return 0;
}

static int64_t trial_sum(const struct madvise_probe *probe, struct gctap_madvise_sum *sum)
{
	struct gctap_madvise_key key = { .pid = getpid(), .advice = MADV_DONTNEED, .cause = GCTAP_MADVISE_FOREIGN };

	memset(sum, 0, sizeof(*sum));
	return bpf_map_lookup_elem(bpf_map__fd(probe->skeleton->maps.sums), &key, sum) ? -errno : 0;
}

/* Until pages are counted exactly: any trial can be moved to another CPU. */
static int trials_run(struct madvise_probe *probe, bool *seen)
{
	struct gctap_madvise_sum before, after = { 0 };
	int error = 0;

	for (int i = 0; i < TRIALS_MAX && probe->rss != MADVISE_RSS_EXACT && !error; i++) {
		before = after;
		error = pages_release(probe);
		trial_sum(probe, &after);
		if (probe->skeleton->bss->rss_known)
			probe->rss = MADVISE_RSS_BATCH;
		if (after.freed_pages[GCTAP_RSS_ANON] - before.freed_pages[GCTAP_RSS_ANON] == TRIAL_PAGES)
			probe->rss = MADVISE_RSS_EXACT;
	}
	*seen = after.calls > 0;
	return error;
}

/*
 * A program that the kernel takes may still never run: so a call of our own has to be
 * counted. And what is taken for the counters of the CPU is believed only if it gives
 * the number of pages that we know.
 */
static int way_prove(struct madvise_probe *probe, struct failure *failure)
{
	struct gctap_madvise_process ourselves = { 0 };
	uint32_t pid = getpid();
	bool seen = false;
	int error;

	error = madvise_probe_add(probe, pid, &ourselves, failure);
	if (error)
		return error;
	probe->skeleton->bss->cpu_parts = true;
	error = trials_run(probe, &seen);
	probe->skeleton->bss->cpu_parts = probe->rss == MADVISE_RSS_EXACT;
	madvise_probe_forget(probe, pid);
	if (error)
		return failure_set(failure, error, "cannot map memory to try the probe with: %s", strerror(-error));
	if (!seen)
		return failure_set(failure, -EOPNOTSUPP,
				   "the kernel lets programs attach to the system call madvise (%s), but does not "
				   "run them",
				   madvise_way_name(probe->way));
	__atomic_store_n(&probe->skeleton->bss->streaming, true, __ATOMIC_RELEASE);
	return 0;
}

static int way_try(const struct madvise_probe_options *options, enum madvise_way way, struct madvise_probe **out,
		   struct failure *failure)
{
	struct madvise_probe *probe = calloc(1, sizeof(*probe));
	int error = 0;

	if (!probe)
		return failure_set(failure, -ENOMEM, "out of memory");
	probe->way = way;
	probe->page_bytes = sysconf(_SC_PAGESIZE);
	if (way == MADVISE_TRACEPOINT)
		error = tracepoint_check(failure);
	if (!error)
		error = skeleton_load(probe, options, failure);
	if (!error)
		error = programs_attach(probe, failure);
	if (!error)
		error = way_prove(probe, failure);
	if (error) {
		madvise_probe_free(probe);
		return error;
	}
	*out = probe;
	return 0;
}

int madvise_probe_new(const struct madvise_probe_options *options, struct madvise_probe **out, struct failure *failure)
{
	unsigned int ways = options && options->ways ? options->ways : (1u << MADVISE_WAYS) - 1;
	static const struct madvise_probe_options defaults;

	libbpf_quiet();
	for (enum madvise_way way = 0; way < MADVISE_WAYS; way++) {
		int error;

		if (!(ways >> way & 1))
			continue;
		error = way_try(options ? options : &defaults, way, out, failure);
		if (!error || ways >> (way + 1) == 0)
			return error;
	}
	return failure_set(failure, -EINVAL, "not a way to see calls of madvise");
}

void madvise_probe_free(struct madvise_probe *probe)
{
	if (!probe)
		return;
	for (int i = 0; i < PROGRAMS; i++)
		bpf_link__destroy(probe->links[i]);
	ring_buffer__free(probe->ring);
	madvise_bpf__destroy(probe->skeleton);
	free(probe);
}
