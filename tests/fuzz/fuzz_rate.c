/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_rate.c - the rating function: the same twice, whole intervals, never less for a longer call, and rounded once.
 */
#include <stdlib.h>

#include "tariff/rate.h"
#include "tests/fuzz/fuzz.h"

static int64_t price(struct fuzz_bytes *b)
{
	int64_t nano = (int64_t)fuzz_take(b, 6) % (1000 * MONEY_NANO);

	return fuzz_take(b, 1) % 8 == 0 ? -nano : nano;
}

static void call_check(const struct rate_terms *t, int64_t ms, int64_t longer_ms)
{
	int64_t billed = -1, again, more;
	struct money amount, later, rounded;
	__int128 wide;

	if (rate_call(t, ms, &billed, &amount) != 0)
		return;
	rate_call_wide(t, ms, &again, &wide);
	fuzz_must(billed == again);
	fuzz_must(money_divide(wide, RATE_DENOMINATOR, t->rounding, t->places, &rounded) == 0);
	fuzz_must(amount.nano == rounded.nano);
	fuzz_must(billed == 0 || (billed >= t->initial_s && (billed - t->initial_s) % t->increment_s == 0));
	fuzz_must(billed != 0 || t->initial_s == 0 || amount.nano == 0);
	fuzz_must(ms > (int64_t)t->grace_s * 1000 || amount.nano == 0);
	if (rate_call(t, longer_ms, &more, &later) != 0)
		return;
	fuzz_must(more >= billed);
	if (t->price_n >= 0 && t->initial_price_n >= 0 && t->connect_fee_n >= 0)
		fuzz_must(later.nano >= amount.nano);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz_bytes b = {bytes, len};
	struct rate_terms t = rate_terms_plain(price(&b));

	t.initial_price_n = price(&b);
	t.connect_fee_n = price(&b);
	t.initial_s = (int32_t)(fuzz_take(&b, 3) % 86401);
	t.increment_s = 1 + (int32_t)(fuzz_take(&b, 3) % 86400);
	t.grace_s = (int32_t)(fuzz_take(&b, 2) % 300);
	t.rounding = (uint8_t)(fuzz_take(&b, 1) % 3);
	t.places = (uint8_t)(fuzz_take(&b, 1) % 9);
	t.duration_rounding = (uint8_t)(fuzz_take(&b, 1) % 3);
	int64_t ms = (int64_t)(fuzz_take(&b, 5) % 100000000000), more = (int64_t)fuzz_take(&b, 4);
	call_check(&t, ms, ms + more);
	return 0;
}
