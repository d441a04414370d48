/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * privilege: which capabilities a command needs, at which stage, and the giving up of those that it needs no longer.
 * The table in privilege_table.c is the only place that says so: gctap gives up by it, 'gctap privileges' prints it.
 */
#ifndef GCTAP_CLI_PRIVILEGE_H
#define GCTAP_CLI_PRIVILEGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gctap/failure.h"

/* What is done, in bits. */
enum privilege_feature {
	PRIVILEGE_FILE = 1,	    /* a binary is opened by its name */
	PRIVILEGE_PROCESS = 2,	    /* and that of a process, by its pid */
	PRIVILEGE_COMMAND = 4,	    /* a command is started, and ended when the time is over */
	PRIVILEGE_FOLLOW = 8,	    /* processes are followed through what they execute */
	PRIVILEGE_NEWCOMERS = 16,   /* processes that come into view later are followed to their end */
	PRIVILEGE_UPROBES = 32,	    /* probes in the binary */
	PRIVILEGE_TRACEPOINTS = 64, /* probes at a system call */
	PRIVILEGE_REFAULT = 128,    /* page tables are looked at again and again */
	PRIVILEGE_MEMORY = 256,	    /* memory and page tables are read, once */
	PRIVILEGE_WATCH = 512,	    /* or until the end */
	PRIVILEGE_OUTPUT = 1024,    /* a file is written to */
};

enum privilege_stage {
	PRIVILEGE_OPEN,	  /* files and processes are opened, memory is read */
	PRIVILEGE_LOAD,	  /* BPF programs are loaded */
	PRIVILEGE_ATTACH, /* and attached */
	PRIVILEGE_RUN,	  /* all that comes then, to the end */
	PRIVILEGE_STAGES
};

/* When a capability is needed: kernels and targets differ. */
enum privilege_condition {
	PRIVILEGE_ALWAYS,
	PRIVILEGE_UNREADABLE,	/* the file is not readable for the user */
	PRIVILEGE_UNWRITABLE,	/* nor writable */
	PRIVILEGE_OTHER_USER,	/* the process is another user's */
	PRIVILEGE_STRONGER,	/* or has capabilities that gctap has not, or had */
	PRIVILEGE_THROUGH_PROC, /* the file is named through /proc of such a process */
	PRIVILEGE_KERNEL_6_17,	/* the kernel places uprobes for CAP_SYS_ADMIN only */
	PRIVILEGE_KERNEL_5_18,	/* the kernel checks CAP_BPF for each look into a map */
	PRIVILEGE_HIDEPID,	/* /proc hides other users' processes */
	PRIVILEGE_CONDITIONS
};

struct privilege_need {
	unsigned features; /* any of these */
	enum privilege_stage stage;
	int capability; /* CAP_... */
	enum privilege_condition condition;
};

/* A way to call gctap. */
struct privilege_form {
	const char *text;
	unsigned features;
};

extern const struct privilege_need privilege_needs[];		     /* ends with no features */
extern const struct privilege_form privilege_forms[];		     /* ends with a NULL text */
extern const char *const privilege_conditions[PRIVILEGE_CONDITIONS]; /* in words; NULL: PRIVILEGE_ALWAYS */

/* Capabilities, bit 1 << CAP_..., that these features need at the stage, whatever the condition. */
uint64_t privilege_set(unsigned features, enum privilege_stage stage);

/*
 * Before anything foreign is read: gives up what none of these features ever needs, for gctap and what it could
 * execute; a command has to be there already, for what it is started with is the user's affair. @pids: processes
 * that are going to be looked at.
 */
int privilege_begin(unsigned features, const pid_t *pids, unsigned nr_pids, struct failure *failure);

/* All is open and attached: what the rest does not need, on this kernel and with these processes, is given up. */
int privilege_settle(unsigned features, const pid_t *pids, unsigned nr_pids, struct failure *failure);

#endif
