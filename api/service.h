/* SPDX-License-Identifier: Apache-2.0 */
/* service.h - what all parts of tandem-apid share. Set up by main.c before any thread starts. */
#ifndef API_SERVICE_H
#define API_SERVICE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/packed.h"
#include "settings/settings.h"

#define SERVICE_STATEMENT_TIMEOUT_MS 10000

enum service_schema { SCHEMA_UNKNOWN, SCHEMA_CURRENT, SCHEMA_OTHER };

struct alert_sender;
struct answers;
struct importer;
struct exporter;
struct events;
struct limit;
struct metrics;
struct pool;
struct portability_desk;

struct service {
	const struct settings *settings;
	char instance[96]; /* of this process: marks its import jobs */
	struct alert_sender *alerts;
	struct importer *importer;
	struct exporter *exporter;
	struct events *events;
	struct metrics *metrics;
	struct answers *answers;
	struct portability_desk *ported;   /* where look-ups ask for ported numbers */
	struct limit *by_key, *by_address; /* of requests, see auth.h */
	struct pool *pool;
	char *description;     /* of the API, as JSON text */
	struct packed openapi; /* the same, as it is sent */

	/* As the watcher last saw them (watch.c). */
	_Atomic bool database_up, redis_up;
	_Atomic int schema; /* enum service_schema */
};

#endif
