/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_document.c - the configuration document as it lies in Redis and on disk: a snapshot is made of it, or it is
 * refused; callers are looked for in what was made, and numbers are rewritten by its trunks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "routing/ingress.h"
#include "routing/number.h"
#include "routing/snapshot_priv.h"
#include "tests/fuzz/fuzz.h"

static void numbers_check(const struct trunk *t)
{
	struct number_pair in = {"", ""}, out;

	if (number_in(t, "+12125550100", "+493012345", &in) == 0) {
		fuzz_must(strspn(in.called, "0123456789") == strlen(in.called));
		fuzz_must(strlen(in.called) >= 3 && strlen(in.called) <= 32);
		if (number_out(t, &in, &out) == 0)
			fuzz_must(strlen(out.called) < NUMBER_MAX);
	}
}

static void snapshot_check(const struct snapshot *s)
{
	struct sockaddr_in six = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc000020b)};
	struct ingress_from from = {.source = (struct sockaddr *)&six, .listener = "udp:192.0.2.1:5060"};
	const struct trunk *t = NULL;

	for (size_t i = 0; i < s->n_trunks; i++)
		numbers_check(&s->trunk[i]);
	for (int transport = 0; transport < 3; transport++) {
		from.transport = (enum trunk_transport)transport;
		if (ingress_match(s, &from, "12125550100", &t) == INGRESS_FOUND)
			fuzz_must(t);
		ingress_challenges(s, &from);
	}
	ingress_by_user(s, &from, "harbour", "12125550100");
	int64_t rate;
	if (snapshot_exchange(s, "EUR", "USD", 1767225600000000, &rate))
		fuzz_must(rate > 0);
	snapshot_plan(s, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct snapshot *s = NULL;
	struct status st = {""};
	json_error_t why;
	json_t *document = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &why);

	log_set_level(LOG_LEVEL_ERROR);
	if (!document)
		return 0;
	int e = snapshot_make(document, NULL, 0, NULL, &s, &st);
	fuzz_must(e == 0 || (e == -EINVAL && st.text[0]));
	if (e == 0) {
		snapshot_check(s);
		snapshot_unref(&s);
	}
	json_decref(document);
	return 0;
}
