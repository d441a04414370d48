/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record: what gctap says, as data. A record has a type; a type is a table of
 * fields with unit and meaning. Every output format, and the schema, is made
 * from these tables alone. A value that could not be established is unknown;
 * it is never 0.
 */
#ifndef GCTAP_RECORD_H
#define GCTAP_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_SCHEMA_VERSION 1
#define RECORD_FIELDS_MAX     64

enum value_type {
	VALUE_UNSIGNED,
	VALUE_SIGNED,
	VALUE_REAL,
	VALUE_BOOL,
	VALUE_TEXT,  /* UTF-8 after escaping; not owned by the record */
	VALUE_TEXTS, /* several, e.g. the functions of a stack; not owned */
};

struct value {
	bool known;
	union {
		uint64_t u;
		int64_t s;
		double real;
		bool truth;
		const char *text;
		const char *const *texts; /* NULL-terminated */
	};
};

struct record_field {
	const char *name; /* snake_case, with the unit as suffix where there is one: _ns, _bytes */
	enum value_type type;
	const char *unit; /* "ns", "bytes", "" ... for the schema */
	const char *what; /* one sentence, for the schema */
};

struct record_type {
	const char *name; /* the "type" of a JSON line */
	const char *what;
	const struct record_field *fields;
	size_t nr_fields; /* <= RECORD_FIELDS_MAX */
};

struct record {
	const struct record_type *type;
	struct value values[RECORD_FIELDS_MAX]; /* in the order of type->fields */
	const char *text;   /* the runtime's own rendering, where this record has one (no newline), else NULL */
	uint64_t wall_ns;   /* CLOCK_REALTIME of the event, for -T */
	const char *origin; /* "[pid comm]" where several processes are traced, else NULL */
	size_t next;	    /* the field behind the one that was set last; the setters look there first */
};

/* All types, in the order of the schema; NULL-terminated. */
extern const struct record_type *const record_types[];

extern const struct record_type record_header;	 /* first line of a stream */
extern const struct record_type record_process;	 /* a process came into view */
extern const struct record_type record_gc_cycle; /* one garbage collection */
extern const struct record_type record_scavenge; /* what the runtime gave back */
extern const struct record_type record_madvise_summary, record_madvise, record_madvise_call;
extern const struct record_type record_refault; /* of what was given back, what came back */
extern const struct record_type record_gap;	/* cycle numbers that were not seen */
extern const struct record_type record_process_end;
extern const struct record_type record_totals; /* last line of a stream */

/* All values unknown. */
void record_clear(struct record *record, const struct record_type *type);

/*
 * Setters by field name; an unknown name or another type is a bug in the caller and aborts.
 * Texts are kept as pointers, not copied; NULL makes the field unknown.
 */
void record_set_unsigned(struct record *record, const char *field, uint64_t value);
void record_set_signed(struct record *record, const char *field, int64_t value);
void record_set_real(struct record *record, const char *field, double value);
void record_set_bool(struct record *record, const char *field, bool value);
void record_set_text(struct record *record, const char *field, const char *value);
void record_set_texts(struct record *record, const char *field, const char *const *values);

/* What a field is; an unknown name aborts likewise. */
struct value record_value(const struct record *record, const char *field);

/* Index of a field; -1 when the type has none of that name. */
int record_field_index(const struct record_type *type, const char *name);

/*
 * Names of processes and paths of files are any bytes. These two make them
 * fit to be written: a byte that is not part of valid UTF-8 becomes "\xHH",
 * and so does, with @controls, every control character (a terminal would obey it).
 */

/* How many bytes at the start of @text can be written as they are. */
size_t record_text_clean_length(const char *text, bool controls);

/* A copy that can be written whole, to be freed by the caller; NULL when out of memory. */
char *record_text_escape(const char *text, bool controls);

#endif
