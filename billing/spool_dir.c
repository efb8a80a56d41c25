/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's directory and the batches that its threads pass to each other. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "billing/spool_priv.h"
#include "lib/buf.h"

struct spool_batch *spool_batch_new(const char *chain, size_t slots)
{
	struct arena *arena = arena_new(sizeof(struct spool_batch) + slots * sizeof(struct spool_record));
	struct spool_batch *b = arena_alloc(arena, sizeof(*b));

	b->arena = arena;
	b->slots = slots;
	b->record = arena_alloc(arena, slots * sizeof(*b->record));
	snprintf(b->chain, sizeof(b->chain), "%s", chain);
	return b;
}

void spool_batch_free(struct spool_batch **b)
{
	if (*b == NULL)
		return;
	struct arena *arena = (*b)->arena;

	arena_free(&arena);
	*b = NULL;
}

static int make_dir(const char *dir, struct status *st)
{
	char *path = xstrdup(dir);
	int err = 0;

	for (char *p = path + 1; err == 0; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0750) != 0 && errno != EEXIST)
			err = -errno;
		*p = was;
		if (was == '\0')
			break;
	}
	free(path);
	return err == 0 ? 0 : status_set(st, err, "spool %s: cannot make the directory: %s", dir, strerror(-err));
}

int spool_dir_take(const char *dir, int *lock_fd, struct status *st)
{
	char path[4096];
	int err;

	*lock_fd = -1;
	if (*dir == '\0')
		return status_set(st, -EINVAL, "spool: [spool] dir is empty");
	err = make_dir(dir, st);
	if (err != 0)
		return err;
	if ((size_t)snprintf(path, sizeof(path), "%s/lock", dir) >= sizeof(path))
		return status_set(st, -ENAMETOOLONG, "spool: the directory's name is too long");
	*lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (*lock_fd < 0)
		return status_set(st, -errno, "spool %s: cannot write there: %s", dir, strerror(errno));
	if (flock(*lock_fd, LOCK_EX | LOCK_NB) != 0)
		return status_set(st, -EBUSY,
				  "spool %s: another process uses it; give each tandemd a [spool] dir of its own", dir);
	return 0;
}
