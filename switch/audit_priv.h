/* SPDX-License-Identifier: Apache-2.0 */
/* audit_priv.h - what a worker says of its calls for one look, and what is made of it. */
#ifndef SWITCH_AUDIT_PRIV_H
#define SWITCH_AUDIT_PRIV_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/gauge.h"
#include "lib/uuid.h"

struct worker;

struct audit_sheet {	   /* zero: nothing counted */
	int64_t live;	   /* calls that have no record yet */
	int64_t held;	   /* call objects */
	int64_t spending;  /* live calls that may hold money */
	int64_t reserved;  /* places in the spool */
	struct buf gauges; /* struct gauge *: one for each channel that a call or an attempt holds */
	struct buf shown;  /* struct uuid: calls that stand in the live calls */
	struct buf words;  /* "key" NUL "text" NUL: what is wrong with single calls */
};

/* audit_sheet_fill - [the worker's thread] count its calls */
void audit_sheet_fill(struct audit_sheet *s, struct worker *w);
/* audit_sheet_add - the sum of two; empties `more` */
void audit_sheet_add(struct audit_sheet *s, struct audit_sheet *more);
void audit_sheet_free(struct audit_sheet *s);

struct audit_channels { /* what a gauge said */
	char kind;	/* 't' trunk, 'c' carrier */
	int64_t id, in_use;
	const struct gauge *gauge;
};

struct audit_counts {		  /* what the node believes */
	struct buf channels;	  /* struct audit_channels */
	int64_t live, held;	  /* the workers' counters */
	int64_t reserved;	  /* places in the spool, without those of finished records */
	int64_t closing, on_disk; /* finished records: on their way to the disk, and there */
	int64_t slack;		  /* takes and gives while all this was read */
};

/* audit_put - note a difference. The key says that two looks found the same one: what does not change from look to look
 */
void audit_put(json_t *found, const char *key, const char *fmt, ...) printf_like(3, 4);

/* audit_put_exact - fmt takes both numbers, which are part of the key: they stand still only if nothing goes on */
void audit_put_exact(json_t *found, const char *fmt, int64_t counted, int64_t should);

/* audit_compare - put into found (an object: key -> words) what does not agree. Pure. */
void audit_compare(const struct audit_sheet *s, const struct audit_counts *c, json_t *found);
/* audit_compare_shown - ids: those that Redis has, as text */
void audit_compare_shown(const struct audit_sheet *s, const char *const *ids, size_t n, json_t *found);

#endif
