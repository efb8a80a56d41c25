/* SPDX-License-Identifier: Apache-2.0 */
/* tlsdir.h - the SIP library takes its TLS certificate from a folder with fixed file names, and says nothing of a bad
 * one: this checks ours and makes such a folder.
 */
#ifndef SWITCH_TLSDIR_H
#define SWITCH_TLSDIR_H

#include "lib/status.h"
#include "settings/settings.h"

/* tlsdir_make - a private folder under [spool] dir with agent.pem and cafile.pem; *path is the caller's
 * (tlsdir_remove). Others there, of a node that was killed, are removed: the spool must be locked. 0, or -errno with st
 * naming the setting and the file */
int tlsdir_make(const struct settings *s, char **path, struct status *st) must_check;
void tlsdir_remove(char **path);

#endif
