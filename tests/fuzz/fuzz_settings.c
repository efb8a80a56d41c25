/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_settings.c - tandem.conf: taken whole, or refused with a sentence. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "settings/settings.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct settings *first = NULL, *second = NULL;
	struct status st = {""};
	char path[64];
	int fd = memfd_create("tandem.conf", 0);

	log_set_level(LOG_LEVEL_ERROR);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int e = settings_load(path, &first, &st);
	fuzz_must((e == 0) == (first != NULL));
	fuzz_must(e == 0 || st.text[0]);
	if (first) {
		fuzz_must(first->node_id && first->listen.n > 0 && first->database_url && first->redis_url);
		fuzz_must(settings_reload(path, first, &second, &st) == 0);
	}
	settings_free(&second);
	settings_free(&first);
	close(fd);
	return 0;
}
