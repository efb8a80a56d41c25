/* SPDX-License-Identifier: Apache-2.0 */
/* shed.h - INVITEs that were refused for overload, without any state of SIP. A repeat of one (it waited beside it, or
 * was sent before the refusal came) must have the same answer (RFC 3261 section 8.2.7): taken, it would be a call whose
 * caller is gone. Remembers the last 65,000 or so, half a minute at most. One thread at a time.
 */
#ifndef SWITCH_SHED_H
#define SWITCH_SHED_H

#include <stdbool.h>
#include <stdint.h>

struct shed;

/* shed_note - refused now; *s is made at the first.
 * shed_knows - was it? s may be NULL */
void shed_note(struct shed **s, uint64_t key, int64_t mono_us);
bool shed_knows(const struct shed *s, uint64_t key, int64_t mono_us);
/* shed_key - of the transaction: the caller's branch and Call-ID, either of which may be missing (NULL) */
uint64_t shed_key(const uint8_t secret[static 16], const char *branch, const char *call_id);
void shed_free(struct shed **s);

#endif
