/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/carriers: who sends calls or takes them. */
#include <string.h>

#include "api/resource.h"
#include "api/store.h"

static const char *const statuses[] = {"active", "suspended", NULL};
static const char *const billing_modes[] = {"prepaid", "postpaid", NULL};

/* ISO 4217, the active currencies and metals; neither the code for tests nor the one for no currency. */
static const char currencies[] = " AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL "
				 "BSD BTN BWP BYN BZD CAD CDF CHE "
				 "CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD "
				 "FKP GBP GEL GHS GIP GMD GNF GTQ "
				 "GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW "
				 "KWD KYD KZT LAK LBP LKR LRD LSL "
				 "LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR "
				 "NZD OMR PAB PEN PGK PHP PKR PLN "
				 "PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP "
				 "SZL THB TJS TMT TND TOP TRY TTD "
				 "TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XCD XDR XOF "
				 "XPD XPF XPT XSU XUA YER ZAR "
				 "ZMW ZWL ";

void check_currency(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);
	char word[6] = {' ', text[0], text[1], text[2], ' ', '\0'};

	if (strlen(text) != 3 || strchr(word + 1, ' ') != word + 4 || strstr(currencies, word) == NULL)
		errors_add(e, path, "must be an ISO 4217 currency code, like \"EUR\"");
}

void check_timezone_name(const json_t *value, const char *path, struct errors *e)
{
	const char *text = json_string_value(value);

	if (text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/")] != '\0')
		errors_add(e, path, "must be a time zone's name, like \"Europe/Berlin\"");
}

static const struct field fields[] = {
	FIELD_OWN_ID,
	FIELD_OWN_NAME("\"Acme Telecom\"", "Unique name."),
	{.name = "currency",
	 .type = FIELD_TEXT,
	 .flags = FIELD_REQUIRED | FIELD_FIXED,
	 .min = 3,
	 .max = 3,
	 .check = check_currency,
	 .example = "\"EUR\"",
	 .meaning = "ISO 4217 currency of its decks, balance and bills. Set once."},
	{.name = "status",
	 .type = FIELD_CHOICE,
	 .choices = statuses,
	 .fallback = "\"active\"",
	 .example = "\"active\"",
	 .meaning = "A suspended carrier's calls are refused (403), its trunks get none."},
	{.name = "billing_mode",
	 .type = FIELD_CHOICE,
	 .choices = billing_modes,
	 .fallback = "\"postpaid\"",
	 .example = "\"prepaid\"",
	 .meaning = "Prepaid: no call beyond the money that is there."},
	{.name = "credit_limit",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE,
	 .min = 0,
	 .max = 999999999,
	 .example = "\"500.000000\"",
	 .meaning = "How far below zero the balance may go. Null: no limit for postpaid, 0 for prepaid."},
	{.name = "max_channels",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .example = "200",
	 .meaning = "Calls at a time over all its trunks. Null: no limit."},
	{.name = "max_cps",
	 .type = FIELD_INT,
	 .flags = FIELD_NULLABLE,
	 .example = "20",
	 .meaning = "Call attempts a second over all its trunks. Null: no limit."},
	{.name = "timezone",
	 .type = FIELD_TEXT,
	 .min = 1,
	 .max = 64,
	 .fallback = "\"UTC\"",
	 .check = check_timezone_name,
	 .example = "\"Europe/Berlin\"",
	 .meaning = "IANA time zone of its bills and statements."},
	{.name = "low_balance",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE,
	 .example = "\"50.000000\"",
	 .meaning = "Below this balance an alert is raised. Null: never."},
	{.name = "vendor_limit",
	 .type = FIELD_MONEY,
	 .flags = FIELD_NULLABLE | FIELD_INTERNAL,
	 .min = 0,
	 .max = 999999999,
	 .example = "\"10000.000000\"",
	 .meaning = "What we may owe it; beyond, its routes are excluded. Null: no limit."},
	{.name = "balance",
	 .type = FIELD_MONEY,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"120.000000\"",
	 .meaning = "Sum of its ledger."},
	{.name = "available",
	 .type = FIELD_MONEY,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .example = "\"620.000000\"",
	 .meaning = "Balance and credit limit together. Null: no limit."},
	FIELDS_HISTORY,
};

const struct resource carriers = {
	.collection = "carriers",
	.noun = "carrier",
	.meaning = "Who sends calls or takes them, with its currency, limits and balance.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.configures = true,
	.list = &store_carrier_list,
	.get = &store_carrier_get,
	.lock = &store_carrier_lock,
	.insert = &store_carrier_insert,
	.update = &store_carrier_update,
	.remove = &store_carrier_delete,
	.faults = &store_carrier_faults,
	.users = &store_carrier_users,
};
