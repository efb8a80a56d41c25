/* SPDX-License-Identifier: Apache-2.0 */
#include "api/unit.h"

#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name, *unit;
};

/* In the order of strcmp. money: in the currency that the object, or its carrier or deck, has. */
static const struct unit units[] = {
	{"acd", "s"},
	{"acd_s", "s"},
	{"added", "rates"},
	{"amount", "money"},
	{"answered", "calls"},
	{"answered_total", "calls"},
	{"asr", "percent"},
	{"attempts", "attempts"},
	{"audit_differences", "differences"},
	{"available", "money"},
	{"balance", "money"},
	{"billed_s", "s"},
	{"bounds", "s"},
	{"buy_amount", "money"},
	{"buy_billed_s", "s"},
	{"buy_minutes", "minutes"},
	{"buy_price", "money a minute"},
	{"buy_to_sell_rate", "of the second currency for one of the first"},
	{"bytes", "bytes"},
	{"calls", "calls"},
	{"calls_total", "calls"},
	{"chain_seq", "order"},
	{"changed", "objects"},
	{"connect_fee", "money"},
	{"cost", "money"},
	{"cost_so_far", "money"},
	{"counts", "calls"},
	{"cps", "calls a second"},
	{"credit_limit", "money"},
	{"database_up", "1 is yes"},
	{"days", "weekday, 1 is Monday"},
	{"default_increment", "s"},
	{"default_initial", "s"},
	{"difference", "money"},
	{"duration_ms", "ms"},
	{"ended", "rates"},
	{"failures", "calls and probes"},
	{"grace", "s"},
	{"increment", "s"},
	{"initial", "s"},
	{"initial_price", "money a minute"},
	{"line", "order"},
	{"low_balance", "money"},
	{"margin", "money"},
	{"matched", "objects"},
	{"max_attempts", "attempts"},
	{"max_channels", "calls"},
	{"max_cps", "calls a second"},
	{"max_duration", "s"},
	{"max_length", "digits"},
	{"max_redirects", "attempts"},
	{"media_lost_total", "calls"},
	{"min_length", "digits"},
	{"min_margin", "money a minute"},
	{"min_margin_percent", "percent"},
	{"minutes", "minutes"},
	{"misrouted_total", "requests"},
	{"n", "order"},
	{"ner", "percent"},
	{"net", "money"},
	{"new", "money"},
	{"new_price", "money a minute"},
	{"no_response_timeout", "s"},
	{"notice_days", "days"},
	{"old", "money"},
	{"old_price", "money a minute"},
	{"pdd", "ms"},
	{"pdd_ms", "ms"},
	{"pdd_p50_ms", "ms"},
	{"pdd_p95_ms", "ms"},
	{"pdd_p99_ms", "ms"},
	{"places", "decimal places"},
	{"port", "port"},
	{"presence_waiting", "changes"},
	{"price", "money a minute"},
	{"priority", "order"},
	{"probe_interval", "s"},
	{"progress", "share, 0 to 1"},
	{"progress_timeout", "s"},
	{"q850_cause", "Q.850 cause"},
	{"rate", "of the second currency for one of the first"},
	{"rates_version", "version"},
	{"redis_away_seconds_total", "s"},
	{"redis_lost_total", "times"},
	{"rejected", "rates"},
	{"revenue", "money"},
	{"ring_timeout", "s"},
	{"rows", "rows"},
	{"rtpengines_down", "instances"},
	{"score", "share, 0 to 1"},
	{"seconds", "s"},
	{"sell_amount", "money"},
	{"sell_billed_s", "s"},
	{"sell_minutes", "minutes"},
	{"sell_price", "money a minute"},
	{"session_expires", "s"},
	{"shed_total", "calls"},
	{"short_calls", "calls"},
	{"short_notice", "rates"},
	{"sip_code", "SIP answer"},
	{"spool_disk_low", "1 is yes"},
	{"spool_oldest_seconds", "s"},
	{"spool_open_calls", "calls"},
	{"spool_posted_total", "CDRs"},
	{"spool_queued", "CDRs"},
	{"spool_records", "CDRs"},
	{"spool_refused_total", "CDRs"},
	{"stop_codes", "SIP answer"},
	{"strays_total", "answers"},
	{"sum", "s"},
	{"tax", "money"},
	{"threshold", "money"},
	{"total", "money"},
	{"unchanged", "rates"},
	{"unconverted", "calls"},
	{"vendor_limit", "money"},
	{"vendors_waiting", "observations"},
	{"version", "version"},
	{"weight", "weight"},
};

static int by_name(const void *name, const void *row)
{
	return strcmp(name, ((const struct unit *)row)->name);
}

static bool is_counted(const struct field *f)
{
	switch (f->type) {
	case FIELD_INT:
	case FIELD_NUMBER:
	case FIELD_MONEY:
	case FIELD_DECIMAL:
		return true;
	case FIELD_ANY: /* a count, or a list */
		return f->item != NULL;
	case FIELD_LIST:
		return is_counted(f->item);
	default:
		return false;
	}
}

const char *unit_of(const struct field *f)
{
	if (f->name == NULL || !is_counted(f))
		return NULL;
	const struct unit *row = bsearch(f->name, units, sizeof(units) / sizeof(*units), sizeof(*units), by_name);
	return row != NULL ? row->unit : NULL;
}
