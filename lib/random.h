/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - bytes of the system's random source, buffered per thread (refilled by getrandom). Never fails:
 * a system without randomness ends the program. For Call-IDs, tags, branches, nonces, keys.
 * A draw that a test must repeat (weights) takes its seed as an argument instead: random_draw.
 */
#ifndef LIB_RANDOM_H
#define LIB_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t len);
uint64_t random_u64(void);
char *random_token(char *out, size_t chars); /* chars letters and digits, NUL added (out holds chars + 1) */
uint64_t random_draw(uint64_t *seed);	     /* splitmix64: the next number of the sequence of *seed */

#endif
