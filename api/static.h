/* SPDX-License-Identifier: Apache-2.0 */
/* static.h - the web console's files, compiled in. Packed before any thread starts, then immutable; any thread. */
#ifndef API_STATIC_H
#define API_STATIC_H

#include <stddef.h>

struct static_file {
	const char *name; /* "console.css" */
	const char *text;
	size_t len; /* bytes */
};

extern const struct static_file static_files[];
extern const size_t static_files_count;

void static_pack(void); /* before the first console_file */
void static_unpack(void);

/* What a page of the console may do: its own files and this server, nothing inline, nothing elsewhere, in no frame. */
#define STATIC_POLICY                                                                                                  \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "                \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#endif
