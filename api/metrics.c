/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"
#include "api/handlers.h"
#include "api/params.h"
#include "api/pool.h"
#include "api/service.h"
#include "cluster/live.h"
#include "config.h"
#include "lib/clock.h"
#include "routing/standing_live.h"

#define STATUS_MAX 600

static const int64_t bounds_us[] = {1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};
#define BOUNDS (sizeof(bounds_us) / sizeof(*bounds_us))

struct metrics {
	int64_t started_us;
	_Atomic uint64_t answers[REQUEST_OTHER + 1][STATUS_MAX];
	_Atomic uint64_t bucket[BOUNDS + 1];
	_Atomic uint64_t sum_us;
};

struct metrics *metrics_new(void)
{
	struct metrics *m = xcalloc(1, sizeof(*m));

	m->started_us = clock_wall_us();
	return m;
}

void metrics_free(struct metrics **m)
{
	free(*m);
	*m = NULL;
}

void metrics_count(struct metrics *m, const struct request *r)
{
	int status = r->answer.status < STATUS_MAX ? r->answer.status : 0;
	int64_t us = clock_mono_us() - r->started_us;
	size_t i = 0;

	m->answers[r->method][status]++;
	while (i < BOUNDS && us > bounds_us[i])
		i++;
	m->bucket[i]++;
	m->sum_us += (uint64_t)us;
}

static void put_answers(struct metrics *m, struct buf *out)
{
	static const char *const methods[] = {"GET", "POST", "PATCH", "DELETE", "other"};

	buf_puts(out, "# HELP tandem_api_requests_total HTTP answers by method and status.\n"
		      "# TYPE tandem_api_requests_total counter\n");
	for (int method = 0; method <= REQUEST_OTHER; method++) {
		for (int status = 0; status < STATUS_MAX; status++) {
			uint64_t n = m->answers[method][status];
			if (n > 0)
				buf_printf(out, "tandem_api_requests_total{method=\"%s\",status=\"%d\"} %" PRIu64 "\n",
					   methods[method], status, n);
		}
	}
}

static void put_durations(struct metrics *m, struct buf *out)
{
	uint64_t total = 0;

	buf_puts(out, "# HELP tandem_api_request_seconds Time from request line to answer.\n"
		      "# TYPE tandem_api_request_seconds histogram\n");
	for (size_t i = 0; i <= BOUNDS; i++) {
		total += m->bucket[i];
		if (i < BOUNDS)
			buf_printf(out, "tandem_api_request_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
				   (double)bounds_us[i] / 1e6, total);
		else
			buf_printf(out, "tandem_api_request_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", total);
	}
	buf_printf(out, "tandem_api_request_seconds_sum %.6f\ntandem_api_request_seconds_count %" PRIu64 "\n",
		   (double)m->sum_us / 1e6, total);
}

static void put_gauge(struct buf *out, const char *name, const char *help, double value)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.15g\n", name, help, name, name, value);
}

static void put_label(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

/* One figure of all nodes: a metric's lines must stand together. */
static void put_node_figure(struct buf *out, json_t *all, const char *figure)
{
	json_t *node;
	size_t i;

	buf_printf(out, "# HELP tandem_node_%s As the node reports it.\n# TYPE tandem_node_%s gauge\n", figure, figure);
	json_array_foreach(all, i, node)
	{
		const json_t *value = json_object_get(node, figure);
		const char *name = json_string_value(json_object_get(node, "node"));
		if (!json_is_number(value) || name == NULL)
			continue;
		buf_printf(out, "tandem_node_%s{node=\"", figure);
		put_label(out, name);
		buf_printf(out, "\"} %.15g\n", json_number_value(value));
	}
}

static bool figure_name(const char *key)
{
	return key[0] >= 'a' && key[0] <= 'z' && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void put_nodes(struct request *r, struct buf *out)
{
	json_t *all, *node, *value, *figures;
	struct status st = {0};
	const char *key;
	size_t i;

	/* The second try has a new connection, if the old one had died unnoticed. */
	if (live_nodes(r->redis, &all, &st) != 0 && live_nodes(r->redis, &all, &st) != 0)
		return; /* tandem_redis_up says so */
	put_gauge(out, "tandem_nodes", "Nodes that are alive.", (double)json_array_size(all));
	figures = json_object();
	json_array_foreach(all, i, node)
		json_object_foreach(node, key, value) if (json_is_number(value) && figure_name(key))
			json_object_set_new(figures, key, json_true());
	json_object_foreach(figures, key, value) put_node_figure(out, all, key);
	json_decref(figures);
	json_decref(all);
}

/* What each node says of each vendor's address: 1 up, 0.5 on trial, 0 down. */
static void put_vendors(struct request *r, struct buf *out)
{
	json_t *all = json_array(), *one;
	struct status st = {0};
	size_t i;

	if (standing_read_health(r->redis, all, &st) != 0)
		json_array_clear(all); /* tandem_redis_up says so */
	buf_puts(out, "# HELP tandem_vendor_up Whether the trunk's address answers: 1 up, 0.5 on trial, 0 down.\n"
		      "# TYPE tandem_vendor_up gauge\n");
	json_array_foreach(all, i, one)
	{
		bool down = json_is_true(json_object_get(one, "down")),
		     trial = json_is_true(json_object_get(one, "trial"));
		buf_puts(out, "tandem_vendor_up{node=\"");
		put_label(out, json_string_value(json_object_get(one, "node")));
		buf_printf(out, "\",trunk_id=\"%" JSON_INTEGER_FORMAT "\"} %s\n",
			   json_integer_value(json_object_get(one, "trunk_id")),
			   trial  ? "0.5"
			   : down ? "0"
				  : "1");
	}
	json_decref(all);
}

void metrics_text(struct request *r)
{
	struct service *s = r->service;
	struct buf *out = &r->answer.body;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	buf_reset(out);
	buf_printf(out,
		   "# HELP tandem_build_info Version of this program.\n# TYPE tandem_build_info gauge\n"
		   "tandem_build_info{program=\"tandem-apid\",version=\"%s\"} 1\n",
		   PACKAGE_VERSION);
	put_gauge(out, "tandem_api_start_time_seconds", "When this process started.",
		  (double)(s->metrics->started_us / 1000000));
	put_gauge(out, "tandem_database_up", "PostgreSQL answers and its schema is current.",
		  s->database_up && s->schema == SCHEMA_CURRENT);
	put_gauge(out, "tandem_redis_up", "Redis answers.", s->redis_up);
	put_gauge(out, "tandem_api_requests_waiting", "Requests that wait for a worker.", pool_waiting(s->pool));
	put_gauge(out, "tandem_api_event_streams", "Open event streams.", events_listeners(s->events));
	put_answers(s->metrics, out);
	put_durations(s->metrics, out);
	put_nodes(r, out);
	put_vendors(r, out);
	request_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}
