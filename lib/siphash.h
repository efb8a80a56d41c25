/* SPDX-License-Identifier: Apache-2.0 */
/* siphash.h - SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash of short messages, for seals that are
 * made many times a second and live for seconds. Not for what must hold against a day's work: that is HMAC-SHA-256.
 * Pure, any thread.
 */
#ifndef LIB_SIPHASH_H
#define LIB_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint8_t key[static 16], const void *bytes, size_t len);

#endif
