/* SPDX-License-Identifier: Apache-2.0 */
/* number.h - from the number on the wire to the number that is routed and back: '+', tech prefix, translations.
 * Pure, any thread (translations use the caller's per-thread match memory).
 */
#ifndef ROUTING_NUMBER_H
#define ROUTING_NUMBER_H

#include "lib/digits.h"
#include "lib/status.h"
#include "routing/snapshot.h"

#define NUMBER_MAX 128 /* as received or sent: may hold more than digits */

struct number_pair {
	char called[NUMBER_MAX], calling[NUMBER_MAX];
};

/* number_in - ingress: leading '+' dropped from both, tech prefix stripped from called, translations in order.
 *   returns 0; -EINVAL if called is then not 3..32 digits (484); -ENAMETOOLONG likewise */
int number_in(const struct trunk *ingress, const char *called_raw, const char *calling_raw,
	      struct number_pair *out) must_check;

/* number_out - egress: translations in order, then the vendor's tech prefix in front of called. 0 or -ENAMETOOLONG */
int number_out(const struct trunk *egress, const struct number_pair *in, struct number_pair *out) must_check;

/* number_calling - any number that says who calls or who was called before: a leading '+' dropped, then the trunk's
 *   translations of calling numbers. 0 or -ENAMETOOLONG */
int number_calling(const struct trunk *trunk, const char *raw, char out[static NUMBER_MAX]) must_check;

/* translation_compile - match is PCRE2 (UTF off, match and depth limits set); replace uses $1..$9, $0. called: which
 * number it rewrites. -EINVAL with st giving PCRE2's words and the offset */
int translation_compile(bool called, const char *match, const char *replace, struct translation **out,
			struct status *st) must_check;
void translation_free(struct translation **t);

#endif
