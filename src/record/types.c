// SPDX-License-Identifier: BSD-2-Clause
/* types: the tables of what each record holds. Every format and the schema come from here. */
#include "gctap/record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define RECORD_TYPE(variable, type_name, table, meaning)                                                               \
	const struct record_type variable = {                                                                          \
		.name = (type_name), .what = (meaning), .fields = (table), .nr_fields = COUNT(table)                   \
	};                                                                                                             \
	_Static_assert(COUNT(table) <= RECORD_FIELDS_MAX, "a record has room for its fields")

static const struct record_field header_fields[] = {
	{ "schema_version", VALUE_UNSIGNED, "",
	  "Version of this description; grows when a field changes its meaning or goes." },
	{ "gctap_version", VALUE_TEXT, "", "Version of the program that wrote the stream." },
	{ "clock", VALUE_TEXT, "", "Clock of every ktime_ns: CLOCK_MONOTONIC." },
	{ "wall_offset_ns", VALUE_SIGNED, "ns",
	  "CLOCK_REALTIME minus CLOCK_MONOTONIC when the stream began; add it to a ktime_ns for the wall clock." },
	{ "boot_id", VALUE_TEXT, "",
	  "The kernel's random boot identifier; ktime_ns values compare only within one boot." },
	{ "kernel", VALUE_TEXT, "", "Release of the running kernel." },
	{ "options", VALUE_TEXT, "", "The command line that was given." },
	{ "madvise_attach", VALUE_TEXT, "",
	  "How madvise calls are seen: fentry, tracepoint or tp_btf; null where they were not asked for." },
};

static const struct record_field process_fields[] = {
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },
	{ "start_ns", VALUE_UNSIGNED, "ns",
	  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },
	{ "comm", VALUE_TEXT, "", "The kernel's short name of the process." },
	{ "exe", VALUE_TEXT, "", "Path of the executable." },
	{ "go_version", VALUE_TEXT, "", "Go version that built the executable." },
	{ "build_id", VALUE_TEXT, "", "Go build id of the executable." },
	{ "recipe", VALUE_TEXT, "",
	  "What the runtime's own print of the gctrace line shows, in readable form, as found in the executable." },
	{ "probe_address", VALUE_UNSIGNED, "address",
	  "Virtual address in the executable at which each cycle is taken." },
	{ "cycles_so_far", VALUE_UNSIGNED, "cycles", "Cycles that had ended before gctap came." },
};

static const struct record_field gc_cycle_fields[] = {
	{ "ktime_ns", VALUE_UNSIGNED, "ns",
	  "When the record was taken, on CLOCK_MONOTONIC: right after the cycle, the world already running." },
	{ "wall_ns", VALUE_UNSIGNED, "ns", "The same moment on CLOCK_REALTIME, since 1970." },
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },
	{ "tid", VALUE_UNSIGNED, "", "Thread that ended the cycle." },
	{ "start_ns", VALUE_UNSIGNED, "ns",
	  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },
	{ "comm", VALUE_TEXT, "", "The kernel's short name of the process." },
	{ "cgroup_id", VALUE_UNSIGNED, "", "Id of the process's cgroup (v2): the inode of its directory." },
	{ "cycle", VALUE_UNSIGNED, "", "Number of the cycle since the program started, as the runtime counts." },
	{ "forced", VALUE_BOOL, "", "Whether the runtime calls the cycle forced." },
	{ "goroutine_leak_check", VALUE_BOOL, "",
	  "Whether the cycle also looked for leaked goroutines (Go 1.26 and later)." },
	{ "start_since_program_ns", VALUE_UNSIGNED, "ns",
	  "Start of the cycle since the program's start; the line shows it as @ in seconds." },
	{ "gc_cpu_fraction", VALUE_REAL, "fraction",
	  "Share of the available CPU time that collection took since the program's start." },
	{ "gc_cpu_percent", VALUE_SIGNED, "percent", "The same in whole percent, as the line shows it." },
	{ "clock_sweep_term_ns", VALUE_UNSIGNED, "ns", "Pause of sweep termination, world stopped." },
	{ "clock_mark_ns", VALUE_UNSIGNED, "ns", "Concurrent mark and scan." },
	{ "clock_mark_term_ns", VALUE_UNSIGNED, "ns", "Pause of mark termination, world stopped." },
	{ "cpu_sweep_term_ns", VALUE_UNSIGNED, "ns",
	  "CPU time of sweep termination: the pause times the processors that were stopped." },
	{ "cpu_assist_ns", VALUE_UNSIGNED, "ns", "CPU time that allocating goroutines spent on mark assist." },
	{ "cpu_background_ns", VALUE_UNSIGNED, "ns",
	  "CPU time of background marking, dedicated and fractional workers." },
	{ "cpu_idle_ns", VALUE_UNSIGNED, "ns", "CPU time of marking on processors that were idle." },
	{ "cpu_mark_term_ns", VALUE_UNSIGNED, "ns",
	  "CPU time of mark termination: the pause times the processors that were stopped." },
	{ "heap_start_bytes", VALUE_UNSIGNED, "bytes", "Live heap when the cycle started." },
	{ "heap_end_bytes", VALUE_UNSIGNED, "bytes", "Live heap when marking ended." },
	{ "heap_marked_bytes", VALUE_UNSIGNED, "bytes", "Heap that the cycle found reachable." },
	{ "heap_goal_bytes", VALUE_UNSIGNED, "bytes", "Heap size at which the cycle aimed to be done." },
	{ "stacks_bytes", VALUE_UNSIGNED, "bytes", "Scannable stack (Go 1.18 and later)." },
	{ "globals_bytes", VALUE_UNSIGNED, "bytes", "Scannable globals (Go 1.18 and later)." },
	{ "processors", VALUE_UNSIGNED, "", "GOMAXPROCS during the cycle." },
	{ "rss_file_bytes", VALUE_UNSIGNED, "bytes", "Resident pages of files, as the kernel counts at that moment." },
	{ "rss_anon_bytes", VALUE_UNSIGNED, "bytes", "Resident anonymous pages, as the kernel counts at that moment." },
	{ "rss_swap_bytes", VALUE_UNSIGNED, "bytes", "Anonymous pages in swap, as the kernel counts at that moment." },
	{ "rss_shmem_bytes", VALUE_UNSIGNED, "bytes", "Resident shared memory, as the kernel counts at that moment." },
	{ "trigger", VALUE_TEXT, "",
	  "What started the cycle: heap_goal, runtime.GC, debug.FreeOSMemory, periodic or memory_limit." },
	{ "trigger_function", VALUE_TEXT, "", "Function that asked for the cycle." },
	{ "trigger_file", VALUE_TEXT, "", "Source file of that function." },
	{ "trigger_line", VALUE_UNSIGNED, "", "Line in that file." },
	{ "trigger_stack", VALUE_TEXTS, "", "Functions of the stack that started the cycle, innermost first." },
	{ "other", VALUE_TEXTS, "", "Fields of the line that this version of gctap has no name for, as label=value." },
	{ "text", VALUE_TEXT, "", "The runtime's own gctrace line." },
	{ "unknown", VALUE_TEXTS, "", "Names of the fields that could not be read for this cycle." },
};

static const struct record_field scavenge_fields[] = {
	{ "ktime_ns", VALUE_UNSIGNED, "ns", "When the record was taken, on CLOCK_MONOTONIC." },
	{ "wall_ns", VALUE_UNSIGNED, "ns", "The same moment on CLOCK_REALTIME, since 1970." },
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },
	{ "tid", VALUE_UNSIGNED, "", "Thread that ended the sweep, or called debug.FreeOSMemory." },
	{ "start_ns", VALUE_UNSIGNED, "ns",
	  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },
	{ "comm", VALUE_TEXT, "", "The kernel's short name of the process." },
	{ "cgroup_id", VALUE_UNSIGNED, "", "Id of the process's cgroup (v2): the inode of its directory." },
	{ "forced", VALUE_BOOL, "", "Whether this is the work of debug.FreeOSMemory." },
	{ "controller_reset", VALUE_BOOL, "",
	  "Whether the background scavenger's pacing was reset (Go 1.19 and later; while the runtime does not print, "
	  "true from the first reset on)." },
	{ "generation", VALUE_UNSIGNED, "", "Number of the scavenge generation (Go 1.15 to 1.18)." },
	{ "released_bytes", VALUE_UNSIGNED, "bytes",
	  "What was given back since the line before, or by debug.FreeOSMemory: all that the line reports." },
	{ "released_background_bytes", VALUE_UNSIGNED, "bytes", "Of it, by the background scavenger." },
	{ "released_eager_bytes", VALUE_UNSIGNED, "bytes",
	  "Of it, by allocations that had to scavenge first (Go 1.21 and later; not counted before)." },
	{ "heap_released_bytes", VALUE_UNSIGNED, "bytes",
	  "Heap that is given back at the moment, as the runtime believes." },
	{ "heap_in_use_bytes", VALUE_UNSIGNED, "bytes", "Heap in spans in use." },
	{ "heap_free_bytes", VALUE_UNSIGNED, "bytes", "Heap that is free and not given back." },
	{ "utilization_percent", VALUE_UNSIGNED, "percent", "Heap in use of the heap that is not given back." },
	{ "runtime_prints", VALUE_BOOL, "", "Whether the process itself runs with GODEBUG=scavtrace=1." },
	{ "rss_file_bytes", VALUE_UNSIGNED, "bytes", "Resident pages of files, as the kernel counts at that moment." },
	{ "rss_anon_bytes", VALUE_UNSIGNED, "bytes", "Resident anonymous pages, as the kernel counts at that moment." },
	{ "rss_swap_bytes", VALUE_UNSIGNED, "bytes", "Anonymous pages in swap, as the kernel counts at that moment." },
	{ "rss_shmem_bytes", VALUE_UNSIGNED, "bytes", "Resident shared memory, as the kernel counts at that moment." },
	{ "other", VALUE_TEXTS, "", "Fields of the line that this version of gctap has no name for, as label=value." },
	{ "text", VALUE_TEXT, "", "The runtime's own scavtrace line." },
	{ "unknown", VALUE_TEXTS, "", "Names of the fields that could not be read." },
};

#define WHOSE_FIELDS                                                                                                   \
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },                                       \
		{ "start_ns", VALUE_UNSIGNED, "ns",                                                                    \
		  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },                 \
	{                                                                                                              \
		"comm", VALUE_TEXT, "", "The kernel's short name of the process."                                      \
	}

#define PERIOD_FIELDS                                                                                                  \
	{ "ktime_ns", VALUE_UNSIGNED, "ns", "The end of the period, on CLOCK_MONOTONIC." },                            \
		{ "wall_ns", VALUE_UNSIGNED, "ns", "The same moment on CLOCK_REALTIME, since 1970." }, WHOSE_FIELDS,   \
		{ "period", VALUE_TEXT, "", "interval: since the record before; total: since the accounting began." }, \
	{                                                                                                              \
		"period_ns", VALUE_UNSIGNED, "ns", "Length of the period."                                             \
	}

#define CALL_FIELDS                                                                                                    \
	{ "advice", VALUE_TEXT, "", "MADV_DONTNEED, MADV_FREE ...; null for a number that has no name." },             \
		{ "advice_number", VALUE_SIGNED, "", "The same as a number." },                                        \
		{ "cause", VALUE_TEXT, "",                                                                             \
		  "Why, by the stack of the caller: background (scavenger), forced (debug.FreeOSMemory), "             \
		  "memory_limit, heap_growth, allocator_reuse, runtime_other, go_program (a system call of the "       \
		  "program itself), not_go (C, cgo, or no Go program), unknown." },                                    \
	{                                                                                                              \
		"releases", VALUE_BOOL, "", "Whether the advice gives memory back: DONTNEED and FREE."                 \
	}

#define FREED_FIELDS                                                                                                   \
	{ "freed_bytes", VALUE_SIGNED, "bytes",                                                                        \
	  "Memory that the process had resident before, less what it has after; MADV_FREE frees nothing at once." },   \
		{ "freed_file_bytes", VALUE_SIGNED, "bytes", "Of it, pages of files." },                               \
		{ "freed_anon_bytes", VALUE_SIGNED, "bytes", "Of it, anonymous pages." },                              \
		{ "freed_swap_bytes", VALUE_SIGNED, "bytes", "Pages freed in swap; not part of freed_bytes." },        \
	{                                                                                                              \
		"freed_shmem_bytes", VALUE_SIGNED, "bytes", "Of freed_bytes, shared memory."                           \
	}

static const struct record_field madvise_fields[] = {
	PERIOD_FIELDS,
	CALL_FIELDS,
	{ "calls", VALUE_UNSIGNED, "calls", "Calls that have returned, failed ones too." },
	{ "asked_bytes", VALUE_UNSIGNED, "bytes", "Length of their ranges, in whole pages." },
	{ "errors", VALUE_UNSIGNED, "calls", "Calls that failed." },
	{ "error_asked_bytes", VALUE_UNSIGNED, "bytes", "Length of their ranges." },
	{ "error_names", VALUE_TEXTS, "", "How they failed, as ERRNO=count." },
	FREED_FIELDS,
	{ "migrated_calls", VALUE_UNSIGNED, "calls",
	  "Calls during which the thread changed the CPU: for each, freed can be off by a batch of the kernel's "
	  "counters." },
	{ "partial_calls", VALUE_UNSIGNED, "calls",
	  "Calls of which only the beginning or the end was seen (a kernel that preempts itself can leave the other "
	  "out): "
	  "counted, but neither freed nor time are known of them." },
	{ "latency_mean_ns", VALUE_UNSIGNED, "ns", "Time in the call, mean." },
	{ "latency_p50_ns", VALUE_UNSIGNED, "ns", "Half of the calls took at most that long (end of a bucket)." },
	{ "latency_p99_ns", VALUE_UNSIGNED, "ns", "99 of 100 calls took at most that long (end of a bucket)." },
	{ "latency_max_ns", VALUE_UNSIGNED, "ns",
	  "The longest; of an interval only known when it is the longest so far." },
	{ "latency_histogram", VALUE_TEXTS, "", "As FROM=count: calls that took from FROM ns to twice that." },
};

static const struct record_field madvise_summary_fields[] = {
	PERIOD_FIELDS,
	{ "calls", VALUE_UNSIGNED, "calls", "Calls of madvise that have returned." },
	{ "partial_calls", VALUE_UNSIGNED, "calls", "Of them, calls of which freed and time are not known." },
	{ "released_asked_bytes", VALUE_UNSIGNED, "bytes", "Length of the ranges of MADV_DONTNEED and MADV_FREE." },
	{ "released_freed_bytes", VALUE_SIGNED, "bytes", "What these calls really freed." },
	{ "freed_error_bytes", VALUE_UNSIGNED, "bytes",
	  "What that can be off by for calls that changed the CPU; beyond it, for what other threads did meanwhile. "
	  "Null where the kernel's counters can only be read roughly." },
	{ "rss_bytes", VALUE_UNSIGNED, "bytes", "Resident memory at the end of the period (smaps_rollup)." },
	{ "anonymous_bytes", VALUE_UNSIGNED, "bytes", "Of it, anonymous." },
	{ "lazy_free_bytes", VALUE_UNSIGNED, "bytes",
	  "Of it, given back with MADV_FREE: the kernel takes it when it needs it." },
	{ "anonymous_huge_bytes", VALUE_UNSIGNED, "bytes", "Of it, in huge pages." },
	{ "swap_bytes", VALUE_UNSIGNED, "bytes", "Swapped out." },
};

static const struct record_field madvise_call_fields[] = {
	{ "ktime_ns", VALUE_UNSIGNED, "ns", "The beginning of the call, on CLOCK_MONOTONIC." },
	{ "wall_ns", VALUE_UNSIGNED, "ns", "The same moment on CLOCK_REALTIME, since 1970." },
	WHOSE_FIELDS,
	{ "tid", VALUE_UNSIGNED, "", "Thread that called." },
	CALL_FIELDS,
	{ "address", VALUE_UNSIGNED, "address", "Start of the range." },
	{ "asked_bytes", VALUE_UNSIGNED, "bytes", "Length of the range, in whole pages." },
	{ "error", VALUE_TEXT, "", "How the call failed; null when it did not." },
	{ "duration_ns", VALUE_UNSIGNED, "ns", "Time in the call." },
	FREED_FIELDS,
};

static const struct record_field refault_fields[] = {
	PERIOD_FIELDS,
	{ "released_bytes", VALUE_UNSIGNED, "bytes", "Length of the ranges given back that are watched." },
	{ "unwatched_bytes", VALUE_UNSIGNED, "bytes",
	  "Length of those that are not: too many at a time, or not heard of." },
	{ "judged_1s_bytes", VALUE_UNSIGNED, "bytes",
	  "Of the watched, what was released at least 1 s ago, or once more since ..." },
	{ "returned_1s_bytes", VALUE_UNSIGNED, "bytes", "... and how much of that was back within 1 s." },
	{ "judged_10s_bytes", VALUE_UNSIGNED, "bytes",
	  "Of the watched, what was released at least 10 s ago, or once more since ..." },
	{ "returned_10s_bytes", VALUE_UNSIGNED, "bytes", "... and how much of that was back within 10 s." },
	{ "judged_60s_bytes", VALUE_UNSIGNED, "bytes",
	  "Of the watched, what was released at least 60 s ago, or once more since ..." },
	{ "returned_60s_bytes", VALUE_UNSIGNED, "bytes", "... and how much of that was back within 60 s." },
};

static const struct record_field gap_fields[] = {
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },
	{ "start_ns", VALUE_UNSIGNED, "ns",
	  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },
	{ "first_missing", VALUE_UNSIGNED, "", "Number of the first cycle that was not seen." },
	{ "last_missing", VALUE_UNSIGNED, "", "Number of the last cycle that was not seen." },
	{ "missing", VALUE_UNSIGNED, "cycles", "How many cycles were not seen." },
	{ "ktime_ns", VALUE_UNSIGNED, "ns", "When the cycle behind the gap was taken, on CLOCK_MONOTONIC." },
};

static const struct record_field process_end_fields[] = {
	{ "pid", VALUE_UNSIGNED, "", "Process id, in the namespace of gctap." },
	{ "start_ns", VALUE_UNSIGNED, "ns",
	  "Start of the process on CLOCK_BOOTTIME; with the pid it identifies the process." },
	{ "reason", VALUE_TEXT, "", "Why nothing more comes: exited, exec, killed or detached." },
	{ "exit_status", VALUE_SIGNED, "", "Exit status where it exited, signal number where it was killed." },
	{ "cycles_seen", VALUE_UNSIGNED, "cycles", "Cycles that were recorded for this process." },
	{ "ktime_ns", VALUE_UNSIGNED, "ns", "When the end was noticed, on CLOCK_MONOTONIC." },
};

static const struct record_field totals_fields[] = {
	{ "cycles", VALUE_UNSIGNED, "cycles", "Cycles recorded in the whole stream." },
	{ "scavenges", VALUE_UNSIGNED, "", "Scavenge records of the whole stream." },
	{ "processes", VALUE_UNSIGNED, "", "Processes that were traced." },
	{ "gaps", VALUE_UNSIGNED, "", "Runs of cycle numbers that were not seen." },
	{ "missing_cycles", VALUE_UNSIGNED, "cycles", "Cycles in those gaps." },
	{ "dropped_ring_full", VALUE_UNSIGNED, "", "Events of any probe lost because the ring buffer was full." },
	{ "dropped_no_capture", VALUE_UNSIGNED, "",
	  "Events lost because the kernel side had no plan for the probe that fired." },
	{ "window_faults", VALUE_UNSIGNED, "", "Windows of the target's memory that could not be read." },
	{ "stack_faults", VALUE_UNSIGNED, "", "Stacks that could not be taken." },
	{ "madvise_calls", VALUE_UNSIGNED, "calls", "Calls of madvise that were accounted for." },
	{ "madvise_calls_lost", VALUE_UNSIGNED, "calls",
	  "Calls that are missing in the sums: the kernel side had no room." },
	{ "madvise_errnos_lost", VALUE_UNSIGNED, "calls",
	  "Failed calls of which the sums do not tell the error: the kernel side had no room." },
	{ "madvise_runs_missed", VALUE_UNSIGNED, "",
	  "How often the kernel left out one of our programs, for any process: at most half as many calls can be "
	  "missing "
	  "without being counted as lost. A kernel that does not preempt itself leaves none out." },
	{ "madvise_events_dropped", VALUE_UNSIGNED, "calls",
	  "Single calls that are missing in the stream, but not in the sums: the ring buffer was full." },
	{ "duration_ns", VALUE_UNSIGNED, "ns", "How long was traced." },
};

RECORD_TYPE(record_header, "header", header_fields, "First line of a stream.");
RECORD_TYPE(record_process, "process", process_fields, "A process came into view.");
RECORD_TYPE(record_gc_cycle, "gc_cycle", gc_cycle_fields, "One garbage collection.");
RECORD_TYPE(record_scavenge, "scavenge", scavenge_fields, "What the runtime gave back to the kernel.");
RECORD_TYPE(record_madvise, "madvise", madvise_fields, "Sums over madvise calls of one advice and one cause.");
RECORD_TYPE(record_madvise_summary, "madvise_summary", madvise_summary_fields,
	    "All that a process gave back by madvise, and what it has.");
RECORD_TYPE(record_madvise_call, "madvise_call", madvise_call_fields, "One call of madvise.");
RECORD_TYPE(record_refault, "refault", refault_fields, "How much of what was given back came back.");
RECORD_TYPE(record_gap, "gap", gap_fields, "Cycle numbers that were not seen.");
RECORD_TYPE(record_process_end, "process_end", process_end_fields, "Nothing more comes from a process.");
RECORD_TYPE(record_totals, "totals", totals_fields, "Last line of a stream: what was seen and what was lost.");

const struct record_type *const record_types[] = {
	&record_header,	 &record_process,	  &record_gc_cycle,	&record_scavenge,
	&record_madvise, &record_madvise_summary, &record_madvise_call, &record_refault,
	&record_gap,	 &record_process_end,	  &record_totals,	NULL,
};
