/* SPDX-License-Identifier: Apache-2.0 */
/* store_alert.h - SQL of alerts. */
#ifndef BILLING_STORE_ALERT_H
#define BILLING_STORE_ALERT_H

#include "lib/pg.h"

extern const struct pg_statement store_alerts_update;
/* store_alert_claim - mail wanted, webhook wanted -> id, JSON, mail due, webhook due; counts a try */
extern const struct pg_statement store_alert_claim;
extern const struct pg_statement store_alert_sent; /* id, mailed, posted, error or NULL */

#endif
