/* SPDX-License-Identifier: Apache-2.0 */
/* handlers.h - the endpoints that are more than one row of a table. Each answers r. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/request.h"

void imports_create(struct request *r);
void rollbacks_create(struct request *r);
void route_lookup(struct request *r);
void calls_list(struct request *r);
void calls_get(struct request *r);
void calls_hangup(struct request *r);
void calls_hangup_many(struct request *r);
void calls_events(struct request *r);
void cdrs_list(struct request *r);
void cdrs_get(struct request *r);
bool cdrs_recall(struct request *r); /* answered from memory: true; else cdrs_get is to be asked */
void exports_create(struct request *r);
void exports_file(struct request *r);
void invoices_issue(struct request *r);
void invoices_void(struct request *r);
void invoices_csv(struct request *r);
void invoices_pdf(struct request *r);
void ledger_reverse(struct request *r);
void nodes_list(struct request *r);
void vendor_health_list(struct request *r);
void vendor_quality_list(struct request *r);
void vendor_events_list(struct request *r);
void healthz(struct request *r);
void readyz(struct request *r);
void metrics_text(struct request *r);
void openapi_json(struct request *r);
void api_keys_remove(struct request *r);
void self_get(struct request *r);
void stats_list(struct request *r);
void console_file(struct request *r);

#endif
