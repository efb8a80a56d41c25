/* SPDX-License-Identifier: Apache-2.0 */
/* ratesheet.h - a deck's rates as CSV: import all or nothing, with a report, and export in the same form.
 * Header names, synonyms, dates: section 8 of the outside. Blocking; memory is bounded by the errors kept.
 */
#ifndef BILLING_RATESHEET_H
#define BILLING_RATESHEET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/pg.h"
#include "lib/status.h"

#define RATESHEET_ERRORS_MAX 1000 /* kept with their text; all are counted */
#define RATESHEET_PREFIXES_MAX 10000000

struct ratesheet_error {
	int64_t line;
	char *reason;
};

struct ratesheet_report {
	int64_t added, changed, ended, unchanged; /* rates: a line may name several prefixes */
	int64_t short_notice;			  /* increases within the deck's notice period */
	int64_t rejected;			  /* lines */
	struct ratesheet_error *errors;		  /* the first RATESHEET_ERRORS_MAX, by line */
	size_t n_errors;
};

struct ratesheet_options {
	int64_t deck_id;
	bool dry_run;	   /* report only */
	int64_t import_id; /* the import that the changes are written down for, row by row, if it is a dry run or the
			    * deck has a notice period; 0: none */
	bool replace;	   /* end every rate that the file lacks */
	const char *actor; /* for the audit log */
	/* progress - optional; 0..1; a return other than 0 cancels (-ECANCELED, nothing applied) */
	int (*progress)(void *arg, double share);
	void *arg;
	int64_t size; /* bytes expected, for progress; 0 unknown */
	/* schedule_text - *text (malloc): this schedule in the one way that is stored; 0, or -EINVAL with the reason in
	 * st. NULL: a row with a schedule is refused. (Routing knows schedules, and billing does not know routing.) */
	int (*schedule_text)(const char *json, char **text, struct status *st);
};

/* ratesheet_import - read is called until it returns 0 (end) or a negative errno (aborts).
 *   returns 0 applied (or would be); -EINVAL with rejected > 0 rows refused, or st: the file as a whole is unusable
 *   (no header, a column missing, not CSV, more than RATESHEET_PREFIXES_MAX prefixes); -ENOENT no such deck;
 *   -ECANCELED; else as pg_exec. Nothing is applied unless 0.
 *   pg: with no transaction under way; its statement_timeout_ms must leave a merge of a million rates its time (30 s),
 *   or be 0. report is filled in either case: ratesheet_report_free. */
int ratesheet_import(struct pg *pg, const struct ratesheet_options *o,
		     long (*read)(void *source, char *bytes, long max), void *source, struct ratesheet_report *report,
		     struct status *st) must_check;
/* ratesheet_export - the rates that hold or will hold; imported again, each is `unchanged`. -ENOENT; -EIO out cannot be
 * written */
int ratesheet_export(struct pg *pg, int64_t deck_id, FILE *out, struct status *st) must_check;
/* ratesheet_report_count - added, changed, ended and unchanged from the one row of store_rates_apply or
 * store_rates_rollback, in that order */
void ratesheet_report_count(struct ratesheet_report *report, const PGresult *row);
void ratesheet_report_free(struct ratesheet_report *report);

/* ratesheet_deck - id of a deck by name or decimal id; -ENOENT if there is none */
int ratesheet_deck(struct pg *pg, const char *name_or_id, int64_t *id, struct status *st) must_check;

#endif
