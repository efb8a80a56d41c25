/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/shed.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/siphash.h"

#define SETS 16384 /* a power of two; 1 MB in all, where there is overload */
#define WAYS 4
#define KEPT_US (32 * 1000000LL)

struct refused {
	uint64_t key;
	int64_t us; /* 0: empty */
};

struct shed {
	struct refused set[SETS][WAYS];
};

void shed_note(struct shed **s, uint64_t key, int64_t mono_us)
{
	if (*s == NULL)
		*s = xcalloc(1, sizeof **s);
	struct refused *oldest = (*s)->set[key % SETS];
	for (int i = 1; i < WAYS; i++)
		if ((*s)->set[key % SETS][i].us < oldest->us)
			oldest = &(*s)->set[key % SETS][i];
	*oldest = (struct refused){key, mono_us};
}

bool shed_knows(const struct shed *s, uint64_t key, int64_t mono_us)
{
	for (int i = 0; s != NULL && i < WAYS; i++) {
		const struct refused *r = &s->set[key % SETS][i];
		if (r->key == key && r->us != 0 && mono_us - r->us < KEPT_US)
			return true;
	}
	return false;
}

uint64_t shed_key(const uint8_t secret[static 16], const char *branch, const char *call_id)
{
	uint64_t key = siphash(secret, branch ? branch : "", branch ? strlen(branch) : 0);

	return key ^ siphash(secret, call_id ? call_id : "", call_id ? strlen(call_id) : 0) * 3;
}

void shed_free(struct shed **s)
{
	free(*s);
	*s = NULL;
}
