/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/log.h"

#define POOL_SIZE 512

static _Thread_local struct {
	uint8_t byte[POOL_SIZE];
	size_t left;
} pool;

static void fill(void *out, size_t len)
{
	uint8_t *p = out;

	while (len > 0) {
		ssize_t got = getrandom(p, len, 0);

		if (got < 0) {
			if (errno == EINTR)
				continue;
			log_event(LOG_LEVEL_ERROR, "no randomness from the system", "errno=%d", errno);
			abort();
		}
		p += got;
		len -= (size_t)got;
	}
}

void random_bytes(void *out, size_t len)
{
	if (len > POOL_SIZE) {
		fill(out, len);
		return;
	}
	if (len > pool.left) {
		fill(pool.byte, POOL_SIZE);
		pool.left = POOL_SIZE;
	}
	pool.left -= len;
	memcpy(out, pool.byte + pool.left, len);
	memset(pool.byte + pool.left, 0, len); /* given out once, and no longer here */
}

uint64_t random_u64(void)
{
	uint64_t n;

	random_bytes(&n, sizeof(n));
	return n;
}

char *random_token(char *out, size_t chars)
{
	static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	size_t n = 0;

	while (n < chars) {
		uint64_t bits = random_u64();

		for (int i = 0; i < 10 && n < chars; i++, bits >>= 6) {
			unsigned c = bits & 63;

			if (c < sizeof(alphabet) - 1) /* the other two of 64 are drawn again: no bias */
				out[n++] = alphabet[c];
		}
	}
	out[n] = '\0';
	return out;
}

uint64_t random_draw(uint64_t *seed)
{
	uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
