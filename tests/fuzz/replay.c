/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - a harness without a fuzzer: each file of its folder of seeds (or of the files named) as it is, then with
 * some hundreds of small changes, the same ones each time. Speaks TAP, a line a file.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

enum { CHANGES = 300, SEEDS_MAX = 1000 };

static uint64_t state;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

static uint8_t *file_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = NULL;
	struct stat s;

	*len = 0;
	if (f && fstat(fileno(f), &s) == 0 && S_ISREG(s.st_mode)) {
		bytes = malloc((size_t)s.st_size + 1);
		*len = bytes ? fread(bytes, 1, (size_t)s.st_size, f) : 0;
	}
	if (f)
		fclose(f);
	return bytes;
}

/* One small change of bytes (len > 0) into out, which holds 2 * len; returns the new length. */
static size_t change(const uint8_t *bytes, size_t len, uint8_t *out)
{
	size_t at = draw(len), n = 1 + draw(len - at);

	memcpy(out, bytes, len);
	switch (draw(5)) {
	case 0:
		out[at] ^= (uint8_t)(1U << draw(8));
		return len;
	case 1:
		out[at] = (uint8_t)draw(256);
		return len;
	case 2:
		return at;
	case 3: /* a piece is lost */
		memmove(out + at, bytes + at + n, len - at - n);
		return len - n;
	default: /* a piece is there twice */
		memcpy(out + at + n, bytes + at, len - at);
		return len + n;
	}
}

static void replay(const uint8_t *bytes, size_t len)
{
	uint8_t *out = malloc(2 * len + 1);

	state = 0x9e3779b97f4a7c15;
	LLVMFuzzerTestOneInput(bytes, len);
	for (int i = 0; i < CHANGES && len && out; i++)
		LLVMFuzzerTestOneInput(out, change(bytes, len, out));
	free(out);
}

static int seed_is(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int folder_replay(const char *folder, int n)
{
	struct dirent **entry;
	int entries = scandir(folder, &entry, seed_is, alphasort);

	for (int i = 0; i < entries; i++) {
		char path[4096];
		size_t len;
		snprintf(path, sizeof path, "%s/%s", folder, entry[i]->d_name);
		uint8_t *bytes = file_read(path, &len);
		if (bytes) {
			replay(bytes, len);
			printf("ok %d - %s\n", ++n, entry[i]->d_name);
			fflush(stdout);
		}
		free(bytes);
		free(entry[i]);
	}
	if (entries >= 0)
		free(entry);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		size_t len;
		uint8_t *bytes = file_read(argv[i], &len);
		if (!bytes) {
			fprintf(stderr, "%s cannot be read\n", argv[i]);
			return 1;
		}
		LLVMFuzzerTestOneInput(bytes, len);
		free(bytes);
		printf("ok %d - %s\n", ++n, argv[i]);
	}
	if (argc == 1)
		n = folder_replay(FUZZ_SEEDS, 0);
	printf("1..%d\n", n);
	return n ? 0 : 1;
}
