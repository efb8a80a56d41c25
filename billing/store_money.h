/* SPDX-License-Identifier: Apache-2.0 */
/* store_money.h - SQL of balances. The statements are the whole interface; billing/balance.c runs them. */
#ifndef BILLING_STORE_MONEY_H
#define BILLING_STORE_MONEY_H

#include "lib/pg.h"

extern const char store_balance_listen[];

/* store_balances - carrier, balance in millionths (rounded down), version: of all carriers that have any limit */
extern const struct pg_statement store_balances;
extern const struct pg_statement store_holds_put;  /* owner, carriers, millionths: two arrays */
extern const struct pg_statement store_holds_drop; /* owner */
/* store_provisional_book - call, carrier, millionths, node */
extern const struct pg_statement store_provisional_book;

#endif
