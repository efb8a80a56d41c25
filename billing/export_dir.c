/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

static int failed(const char *what, const char *path, struct status *st)
{
	int err = -errno;

	return status_set(st, err, "cannot %s %.300s: %s", what, path, strerror(-err));
}

int export_dir_path(const char *base, const char *day, int64_t run, char out[static PATH_MAX], struct status *st)
{
	int len = snprintf(out, PATH_MAX, "%s/%s/%" PRId64, base, day, run);

	if (len >= PATH_MAX)
		return status_set(st, -ENAMETOOLONG, "the export directory's path is too long");
	return 0;
}

/* A directory of files, with all that is in it. */
static int tree_remove(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return errno == ENOENT ? 0 : -errno;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(dirfd(dir), entry->d_name, 0); /* rmdir tells if one could not be */
	closedir(dir);
	return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* What a writer of this run left behind when it was killed. */
static void remove_left(const struct export_dir *d)
{
	char prefix[32];
	int fd = openat(d->day_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	snprintf(prefix, sizeof(prefix), ".%s.", d->run);
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		int err = tree_remove(d->day_fd, entry->d_name);
		if (err != 0)
			log_event(LOG_LEVEL_WARN, "unfinished export not removed", "name=%s error=\"%s\"",
				  entry->d_name, strerror(-err));
	}
	closedir(dir);
}

static int dir_open_at(int parent_fd, const char *name, const char *shown, int *fd, struct status *st)
{
	if (mkdirat(parent_fd, name, 0750) != 0 && errno != EEXIST)
		return failed("make", shown, st);
	*fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd >= 0 ? 0 : failed("open", shown, st);
}

int export_dir_open(struct export_dir *d, const char *base, const char *day, int64_t run, struct status *st)
{
	*d = (struct export_dir){.base_fd = -1, .day_fd = -1, .fd = -1};
	snprintf(d->run, sizeof(d->run), "%" PRId64, run);

	int err = export_dir_path(base, day, run, d->path, st);
	if (err == 0)
		err = dir_open_at(AT_FDCWD, base, base, &d->base_fd, st);
	if (err == 0)
		err = dir_open_at(d->base_fd, day, d->path, &d->day_fd, st);
	if (err == 0) {
		remove_left(d);
		snprintf(d->temporary, sizeof(d->temporary), ".%s.%ld", d->run, (long)getpid());
		err = dir_open_at(d->day_fd, d->temporary, d->path, &d->fd, st);
	}
	if (err != 0)
		export_dir_close(d);
	return err;
}

/* The new directory in place of the old one, in one step where the file system can exchange names. */
static int replace(struct export_dir *d)
{
	char old[48];

	if (renameat2(d->day_fd, d->temporary, d->day_fd, d->run, RENAME_EXCHANGE) == 0)
		return tree_remove(d->day_fd, d->temporary);
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	snprintf(old, sizeof(old), ".%s.old", d->run);
	if (renameat(d->day_fd, d->run, d->day_fd, old) != 0 ||
	    renameat(d->day_fd, d->temporary, d->day_fd, d->run) != 0)
		return -errno;
	return tree_remove(d->day_fd, old);
}

int export_dir_publish(struct export_dir *d, struct status *st)
{
	if (fsync(d->fd) != 0)
		return failed("write", d->path, st);
	if (renameat(d->day_fd, d->temporary, d->day_fd, d->run) != 0) {
		int err = errno == EEXIST || errno == ENOTEMPTY ? replace(d) : -errno;
		if (err != 0)
			return status_set(st, err, "cannot make %.300s: %s", d->path, strerror(-err));
	}
	d->temporary[0] = '\0';
	if (fsync(d->day_fd) != 0 || fsync(d->base_fd) != 0)
		return failed("write", d->path, st);
	return 0;
}

void export_dir_close(struct export_dir *d)
{
	int err = 0;

	if (d->fd >= 0) {
		close(d->fd);
		if (d->temporary[0] != '\0')
			err = tree_remove(d->day_fd, d->temporary);
	}
	if (err != 0)
		log_event(LOG_LEVEL_WARN, "unfinished export not removed", "path=%s error=\"%s\"", d->path,
			  strerror(-err));
	if (d->day_fd >= 0)
		close(d->day_fd);
	if (d->base_fd >= 0)
		close(d->base_fd);
	d->fd = d->day_fd = d->base_fd = -1;
}
