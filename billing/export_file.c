/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/buf.h"

#define LEVEL 6
#define GZIP 16	       /* added to the window's bits: a gzip header; zlib leaves time and name out of it */
#define WINDOW_BITS 14 /* window and memory level: 128 KB a file */
#define MEMORY_LEVEL 7
#define CHUNK (32 * 1024)

struct export_file {
	int dir_fd;
	char name[EXPORT_NAME_MAX];
	bool made;
	z_stream deflate;
	EVP_MD_CTX *digest;
	int64_t bytes;
	unsigned char chunk[CHUNK]; /* compressed, not yet written */
};

struct export_file *export_file_new(int dir_fd, const char *name)
{
	struct export_file *f = xcalloc(1, sizeof(*f));

	f->dir_fd = dir_fd;
	assert(strlen(name) < sizeof(f->name));
	strcpy(f->name, name);
	f->digest = EVP_MD_CTX_new();
	if (f->digest == NULL || EVP_DigestInit_ex(f->digest, EVP_sha256(), NULL) != 1 ||
	    deflateInit2(&f->deflate, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		abort(); /* out of memory */
	f->deflate.next_out = f->chunk;
	f->deflate.avail_out = CHUNK;
	return f;
}

void export_file_free(struct export_file **f)
{
	if (*f == NULL)
		return;
	deflateEnd(&(*f)->deflate);
	EVP_MD_CTX_free((*f)->digest);
	free(*f);
	*f = NULL;
}

static int failed(const struct export_file *f, struct status *st)
{
	int err = errno != 0 ? -errno : -EIO;

	return status_set(st, err, "cannot write %s: %s", f->name, strerror(-err));
}

static int append(int fd, const unsigned char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The chunk goes to the file; at the end the file goes to disk. */
static int chunk_out(struct export_file *f, bool last, struct status *st)
{
	size_t len = CHUNK - f->deflate.avail_out;
	int flags = O_WRONLY | O_APPEND | O_CLOEXEC | (f->made ? 0 : O_CREAT | O_EXCL);

	errno = 0;
	int fd = openat(f->dir_fd, f->name, flags, 0640);
	if (fd < 0)
		return failed(f, st);
	f->made = true;
	int rc = append(fd, f->chunk, len);
	if (rc == 0 && last)
		rc = fsync(fd);
	if (rc != 0)
		rc = failed(f, st);
	if (close(fd) != 0 && rc == 0)
		rc = failed(f, st);
	if (rc != 0)
		return rc;
	if (EVP_DigestUpdate(f->digest, f->chunk, len) != 1)
		return status_set(st, -EIO, "cannot hash %s", f->name);
	f->bytes += (int64_t)len;
	f->deflate.next_out = f->chunk;
	f->deflate.avail_out = CHUNK;
	return 0;
}

int export_file_write(struct export_file *f, const char *bytes, size_t len, struct status *st)
{
	f->deflate.next_in = (unsigned char *)bytes;
	f->deflate.avail_in = (unsigned)len;
	while (f->deflate.avail_in > 0) {
		int rc = deflate(&f->deflate, Z_NO_FLUSH);

		assert(rc == Z_OK);
		if (f->deflate.avail_out == 0 && (rc = chunk_out(f, false, st)) != 0)
			return rc;
	}
	return 0;
}

int export_file_seal(struct export_file *f, struct export_seal *out, struct status *st)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	int rc;

	f->deflate.avail_in = 0;
	while ((rc = deflate(&f->deflate, Z_FINISH)) != Z_STREAM_END) {
		assert(rc == Z_OK || rc == Z_BUF_ERROR);
		if ((rc = chunk_out(f, false, st)) != 0)
			return rc;
	}
	if ((rc = chunk_out(f, true, st)) != 0)
		return rc;
	if (EVP_DigestFinal_ex(f->digest, hash, &len) != 1)
		return status_set(st, -EIO, "cannot hash %s", f->name);
	for (unsigned int i = 0; i < len; i++)
		snprintf(out->sha256 + (size_t)2 * i, 3, "%02x", hash[i]);
	out->bytes = f->bytes;
	return 0;
}
