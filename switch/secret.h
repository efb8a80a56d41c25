/* SPDX-License-Identifier: Apache-2.0 */
/* secret.h - the node's own key, which seals what it writes into messages and must know again: branches, and the
 * Record-Routes of proxied calls. Kept on disk, so that a call outlives a restart of its proxy.
 */
#ifndef SWITCH_SECRET_H
#define SWITCH_SECRET_H

#include <stdint.h>

#include "lib/status.h"

enum { SECRET_BYTES = 16 };

/* secret_load - read dir/node.key, or make it (mode 0600). dir exists and is this process's alone.
 *   0, or -errno with st set; -EINVAL: the file is there, but is none of ours */
int secret_load(const char *dir, uint8_t out[static SECRET_BYTES], struct status *st) must_check;

#endif
