/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/random.h"

/* Whole or not at all: a crash must not leave half a key. */
static int secret_make(const char *path, uint8_t out[static SECRET_BYTES])
{
	char fresh[4096 + 8];
	int r = 0;

	snprintf(fresh, sizeof fresh, "%s.new", path);
	random_bytes(out, SECRET_BYTES);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, out, SECRET_BYTES);
	if (n != SECRET_BYTES)
		r = n < 0 ? -errno : -ENOSPC;
	if (!r && fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (!r && rename(fresh, path) < 0)
		r = -errno;
	return r;
}

int secret_load(const char *dir, uint8_t out[static SECRET_BYTES], struct status *st)
{
	char path[4096];
	uint8_t text[SECRET_BYTES + 1];

	if ((size_t)snprintf(path, sizeof path, "%s/node.key", dir) >= sizeof path)
		return status_set(st, -ENAMETOOLONG, "[spool] dir: the directory's name is too long");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		int r = secret_make(path, out);
		return r ? status_set(st, r, "%s: cannot be written: %s", path, strerror(-r)) : 0;
	}
	if (fd < 0)
		return status_set(st, -errno, "%s: cannot be read: %s", path, strerror(errno));
	ssize_t n = read(fd, text, sizeof text);
	close(fd);
	if (n != SECRET_BYTES)
		return status_set(st, -EINVAL, "%s is no key of a node: remove it, and a new one is made", path);
	memcpy(out, text, SECRET_BYTES);
	return 0;
}
