/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics_nodes.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "api/exposition.h"
#include "cluster/live.h"
#include "lib/status.h"
#include "routing/standing_live.h"

/* Members of a node's JSON; what a newer node tells besides is shown, too. */
static const struct {
	const char *name, *help;
} known[] = {
	{"calls", "Live calls."},
	{"cps", "Call attempts in the last second."},
	{"calls_total", "INVITEs that asked for a call, from known callers."},
	{"answered_total", "Calls answered; divided by calls_total this is the ASR."},
	{"shed_total", "Calls refused because of overload or a limit of calls a second."},
	{"strays_total", "Answers that came for no transaction."},
	{"misrouted_total", "Requests inside proxied calls that came from or would go to an address of neither end."},
	{"rtpengines_down", "rtpengines that do not answer."},
	{"media_lost_total", "Calls whose media could not be relayed."},
	{"audit_differences", "Counts that do not agree with the calls."},
	{"database_up", "PostgreSQL takes this node's CDRs."},
	{"spool_records", "CDRs on disk that wait for PostgreSQL."},
	{"spool_queued", "CDRs in memory, on their way to disk."},
	{"spool_open_calls", "Answered calls that have a record on disk, in case of a crash."},
	{"spool_posted_total", "CDRs committed in PostgreSQL."},
	{"spool_refused_total", "CDRs that PostgreSQL would not have: set aside."},
	{"spool_oldest_seconds", "Age of the oldest CDR that waits for PostgreSQL; 0: none waits."},
	{"spool_disk_low", "1: no room for CDRs, new calls are refused."},
	{"redis_lost_total", "How often Redis went away."},
	{"redis_away_seconds_total", "How long Redis was away, all times together."},
	{"presence_waiting", "Changes of live calls that wait for Redis."},
	{"vendors_waiting", "Observations of vendors that are not counted yet."},
};

static const char *help_of(const char *figure)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(known[i].name, figure) == 0)
			return known[i].help;
	return "As the node reports it.";
}

static bool is_total(const char *figure)
{
	size_t n = strlen(figure);
	return n > 6 && strcmp(figure + n - 6, "_total") == 0;
}

static const char *name_of(const json_t *node)
{
	return json_string_value(json_object_get(node, "node"));
}

static void put_figure(struct buf *out, json_t *nodes, const char *figure)
{
	char name[120];
	json_t *node;
	size_t i;

	snprintf(name, sizeof name, "tandem_node_%s", figure);
	exposition_head(out, name, is_total(figure) ? "counter" : "gauge", help_of(figure));
	json_array_foreach(nodes, i, node)
	{
		const json_t *value = json_object_get(node, figure);
		if (!json_is_number(value))
			continue;
		buf_printf(out, "%s{node=\"", name);
		exposition_label(out, name_of(node));
		buf_printf(out, "\"} %.15g\n", json_number_value(value));
	}
}

static bool is_figure(const char *key, const json_t *value)
{
	size_t n = strlen(key);
	return json_is_number(value) && n < 100 && key[0] >= 'a' && key[0] <= 'z' &&
	       strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static void put_figures(struct buf *out, json_t *nodes)
{
	json_t *figures = json_object(), *node, *value;
	const char *key;
	size_t i;

	json_array_foreach(nodes, i, node) json_object_foreach(node, key, value) if (is_figure(key, value))
		json_object_set_new(figures, key, json_true());
	json_object_foreach(figures, key, value) put_figure(out, nodes, key);
	json_decref(figures);
}

#define SETUP "tandem_node_setup_seconds"

static void put_bucket(struct buf *out, const char *node, const json_t *bound, json_int_t n)
{
	buf_puts(out, SETUP "_bucket{node=\"");
	exposition_label(out, node);
	if (bound != NULL)
		buf_printf(out, "\",le=\"%.6g\"} %" JSON_INTEGER_FORMAT "\n", json_number_value(bound), n);
	else
		buf_printf(out, "\",le=\"+Inf\"} %" JSON_INTEGER_FORMAT "\n", n);
}

/* A node counts each bucket for itself; here each has those below it, too. */
static void put_setup(struct buf *out, const char *node, const json_t *setup)
{
	const json_t *bounds = json_object_get(setup, "bounds"), *counts = json_object_get(setup, "counts");
	json_int_t total = 0;

	if (json_array_size(counts) == 0 || json_array_size(counts) != json_array_size(bounds) + 1)
		return; /* a node of another version */
	for (size_t i = 0; i < json_array_size(counts); i++) {
		total += json_integer_value(json_array_get(counts, i));
		put_bucket(out, node, json_array_get(bounds, i), total);
	}
	buf_puts(out, SETUP "_sum{node=\"");
	exposition_label(out, node);
	buf_printf(out, "\"} %.3f\n" SETUP "_count{node=\"", json_number_value(json_object_get(setup, "sum")));
	exposition_label(out, node);
	buf_printf(out, "\"} %" JSON_INTEGER_FORMAT "\n", total);
}

static void put_setups(struct buf *out, json_t *nodes)
{
	json_t *node;
	size_t i;

	exposition_head(out, SETUP, "histogram",
			"From the INVITE to the first ringing or answer that the caller was sent.");
	json_array_foreach(nodes, i, node) put_setup(out, name_of(node), json_object_get(node, "setup_seconds"));
}

/* Those that live, of those that were seen within the hour; each of the latter gets its line. */
static json_t *put_nodes_up(struct buf *out, json_t *seen)
{
	json_t *living = json_array(), *node;
	size_t i;

	exposition_head(out, "tandem_node_up", "gauge",
			"1: it shows itself in Redis; 0: no longer, for up to an hour.");
	json_array_foreach(seen, i, node)
	{
		bool lives = live_node_lives(node);
		if (name_of(node) == NULL)
			continue;
		buf_puts(out, "tandem_node_up{node=\"");
		exposition_label(out, name_of(node));
		buf_printf(out, "\"} %d\n", lives);
		if (lives)
			json_array_append(living, node);
	}
	return living;
}

void metrics_put_nodes(struct redis *r, struct buf *out)
{
	struct status st = {0};
	json_t *seen, *nodes;

	/* The second try has a new connection, if the old one had died unnoticed. */
	if (live_nodes_seen(r, &seen, &st) != 0 && live_nodes_seen(r, &seen, &st) != 0)
		return;
	nodes = put_nodes_up(out, seen);
	exposition_gauge(out, "tandem_nodes", "Nodes that are alive.", (double)json_array_size(nodes));
	put_figures(out, nodes);
	put_setups(out, nodes);
	json_decref(nodes);
	json_decref(seen);
}

static const char *or_other(const char *number)
{
	return strcmp(number, "-1") == 0 ? "other" : number;
}

static void put_attempts_of(struct buf *out, const char *node, json_t *trunks)
{
	const char *trunk, *code;
	json_t *codes, *n;

	json_object_foreach(trunks, trunk, codes) json_object_foreach(codes, code, n)
	{
		buf_puts(out, "tandem_vendor_attempts_total{node=\"");
		exposition_label(out, node);
		buf_puts(out, "\",trunk_id=\"");
		exposition_label(out, or_other(trunk));
		buf_puts(out, "\",code=\"");
		exposition_label(out, or_other(code));
		buf_printf(out, "\"} %" JSON_INTEGER_FORMAT "\n", json_integer_value(n));
	}
}

static void put_attempts(struct redis *r, struct buf *out)
{
	json_t *nodes = json_object(), *trunks;
	struct status st = {0};
	const char *node;

	if (standing_read_attempts(r, nodes, &st) != 0)
		json_object_clear(nodes);
	exposition_head(out, "tandem_vendor_attempts_total", "counter",
			"Attempts that are over, by the vendor's trunk and the SIP code that stands in their CDRs.");
	json_object_foreach(nodes, node, trunks) put_attempts_of(out, node, trunks);
	json_decref(nodes);
}

/* What each node says of each vendor's address. */
static void put_vendors_up(struct redis *r, struct buf *out)
{
	json_t *all = json_array(), *one;
	struct status st = {0};
	size_t i;

	if (standing_read_health(r, all, &st) != 0)
		json_array_clear(all);
	exposition_head(out, "tandem_vendor_up", "gauge",
			"Whether the trunk's address answers: 1 up, 0.5 on trial, 0 down.");
	json_array_foreach(all, i, one)
	{
		bool down = json_is_true(json_object_get(one, "down")),
		     trial = json_is_true(json_object_get(one, "trial"));
		buf_puts(out, "tandem_vendor_up{node=\"");
		exposition_label(out, name_of(one));
		buf_printf(out, "\",trunk_id=\"%" JSON_INTEGER_FORMAT "\"} %s\n",
			   json_integer_value(json_object_get(one, "trunk_id")),
			   trial  ? "0.5"
			   : down ? "0"
				  : "1");
	}
	json_decref(all);
}

void metrics_put_vendors(struct redis *r, struct buf *out)
{
	put_vendors_up(r, out);
	put_attempts(r, out);
}
