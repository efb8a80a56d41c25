/* SPDX-License-Identifier: Apache-2.0 */
#include "api/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "api/answers.h"
#include "api/events.h"
#include "api/exposition.h"
#include "api/handlers.h"
#include "api/metrics_nodes.h"
#include "api/params.h"
#include "api/pool.h"
#include "api/service.h"
#include "config.h"
#include "lib/clock.h"

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

	exposition_head(out, "tandem_api_requests_total", "counter", "HTTP answers by method and status.");
	for (int method = 0; method <= REQUEST_OTHER; method++) {
		for (int status = 0; status < STATUS_MAX; status++) {
			uint64_t n = m->answers[method][status];
			if (n > 0)
				buf_printf(out, "tandem_api_requests_total{method=\"%s\",status=\"%d\"} %" PRIu64 "\n",
					   methods[method], status, n);
		}
	}
}

static void put_kept(struct answers *a, struct buf *out)
{
	struct answers_counts c;

	answers_counts(a, &c);
	exposition_head(out, "tandem_api_cdr_recalls_total", "counter",
			"Reads of one CDR by whether the answer was still in memory.");
	buf_printf(out, "tandem_api_cdr_recalls_total{found=\"yes\"} %" PRIu64 "\n", c.found);
	buf_printf(out, "tandem_api_cdr_recalls_total{found=\"no\"} %" PRIu64 "\n", c.asked - c.found);
	exposition_gauge(out, "tandem_api_cdr_recall_bytes", "Memory of the answers kept.", (double)c.bytes);
}

static void put_durations(struct metrics *m, struct buf *out)
{
	uint64_t total = 0;

	exposition_head(out, "tandem_api_request_seconds", "histogram", "Time from request line to answer.");
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

void metrics_text(struct request *r)
{
	struct service *s = r->service;
	struct buf *out = &r->answer.body;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	buf_reset(out);
	exposition_head(out, "tandem_build_info", "gauge", "Version of this program.");
	buf_puts(out, "tandem_build_info{program=\"tandem-apid\",version=\"" PACKAGE_VERSION "\"} 1\n");
	exposition_gauge(out, "tandem_api_start_time_seconds", "When this process started.",
			 (double)(s->metrics->started_us / 1000000));
	exposition_gauge(out, "tandem_database_up", "PostgreSQL answers and its schema is current.",
			 s->database_up && s->schema == SCHEMA_CURRENT);
	exposition_gauge(out, "tandem_redis_up", "Redis answers.", s->redis_up);
	exposition_gauge(out, "tandem_api_requests_waiting", "Requests that wait for a worker.", pool_waiting(s->pool));
	exposition_gauge(out, "tandem_api_event_streams", "Open event streams.", events_listeners(s->events));
	put_answers(s->metrics, out);
	put_kept(s->answers, out);
	put_durations(s->metrics, out);
	metrics_put_nodes(r->redis, out);
	metrics_put_vendors(r->redis, out);
	request_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8");
}
