/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes read a carrier's balance at different moments; the later one counts, which its version tells. A ledger that was
 * restored, or whose standby took over without the last commits, begins again at an earlier version. Then an era
 * begins: what was read in it is later than all before. A node knows of it when a version falls between two of its own
 * readings, or below what was in Redis before it read. Each finds it by itself and calls the next era by the same
 * number.
 */
#include <inttypes.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switch/purse_priv.h"

#define ERA (INT64_C(1) << 40) /* more than a ledger ever has bookings; 8,192 eras are exact in Lua */

/* The database's version, in the era of another one (-1: in the first). */
static int64_t version_in_era(int64_t of, int64_t version)
{
	return of < 0 ? version : of / ERA * ERA + version;
}

/* Redis may have what another node read before this one was there. Asked once for each account. */
static void compare(struct purse *p, struct account *a)
{
	int64_t stored = p->posted && !a->compared ? purse_redis_version(p, a) : INT64_MIN;

	if (stored == INT64_MIN)
		return;
	a->compared = true;
	a->ahead = stored;
	a->ahead_us = clock_mono_us();
}

/* Did the database go back, as a reading that began at read_us shows? */
static bool went_back(const struct account *a, int64_t version, int64_t micro, int64_t read_us)
{
	if (version < a->version || (version == a->version && micro != a->balance_micro))
		return true;
	return version < a->ahead && read_us > a->ahead_us;
}

bool purse_balance_take(struct purse *p, const struct balance *b, int64_t read_us)
{
	struct account *a = purse_account(p, b->carrier_id);

	compare(p, a);
	int64_t known = a->ahead > a->version ? a->ahead : a->version;
	int64_t version = version_in_era(known, b->version);
	bool back = went_back(a, version, b->micro, read_us);

	if (back)
		version = (known / ERA + 1) * ERA + b->version;
	if (version == a->version)
		return false;
	a->balance_micro = b->micro;
	a->version = version;
	purse_redis_balance(p, a);
	return back;
}

void purse_balance_tell_back(size_t carriers)
{
	log_event(LOG_LEVEL_WARN, "the ledger went back: the balances of an earlier time hold", "carriers=%zu",
		  carriers);
}
