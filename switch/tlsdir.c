/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/tlsdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"

enum { FILE_MAX = 1 << 20 };

#define PREFIX "tls-"
#define SUFFIX "XXXXXX"

static int file_read(const char *setting, const char *path, struct buf *out, struct status *st)
{
	char bytes[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0)
		return status_set(st, -errno, "[sip] %s = %s: %s", setting, path, strerror(errno));
	while (out->len < FILE_MAX && (n = read(fd, bytes, sizeof bytes)) > 0)
		buf_append(out, bytes, (size_t)n);
	int err = n < 0 ? errno : 0;
	close(fd);
	return err ? status_set(st, -err, "[sip] %s = %s: %s", setting, path, strerror(err)) : 0;
}

static int file_write(const char *dir, const char *name, const struct buf *text, struct status *st)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return status_set(st, -errno, "%s: %s", path, strerror(errno));
	ssize_t n = write(fd, text->text ? text->text : "", text->len);
	int err = n == (ssize_t)text->len ? 0 : n < 0 ? errno : ENOSPC;
	close(fd);
	return err ? status_set(st, -err, "%s: %s", path, strerror(err)) : 0;
}

/* The certificate and the key must belong together, and the CA file must hold certificates. */
static int check(const struct settings *s, struct status *st)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	int r = 0;

	if (!ctx)
		return status_set(st, -ENOMEM, "cannot make a TLS context");
	if (SSL_CTX_use_certificate_chain_file(ctx, s->sip_tls_certificate) != 1)
		r = status_set(st, -EINVAL, "[sip] tls_certificate = %s: no PEM certificate can be read from it",
			       s->sip_tls_certificate);
	else if (SSL_CTX_use_PrivateKey_file(ctx, s->sip_tls_key, SSL_FILETYPE_PEM) != 1)
		r = status_set(st, -EINVAL,
			       "[sip] tls_key = %s: no PEM key without a passphrase that fits the certificate",
			       s->sip_tls_key);
	else if (s->sip_tls_ca[0] && SSL_CTX_load_verify_locations(ctx, s->sip_tls_ca, NULL) != 1)
		r = status_set(st, -EINVAL, "[sip] tls_ca = %s: no PEM certificates can be read from it",
			       s->sip_tls_ca);
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return r;
}

static int fill(const struct settings *s, const char *dir, struct status *st)
{
	struct buf agent = {0}, ca = {0};
	int r = file_read("tls_key", s->sip_tls_key, &agent, st);

	buf_putc(&agent, '\n');
	if (r == 0)
		r = file_read("tls_certificate", s->sip_tls_certificate, &agent, st);
	if (r == 0)
		r = s->sip_tls_ca[0] ? file_read("tls_ca", s->sip_tls_ca, &ca, st)
				     : file_read("tls_certificate", s->sip_tls_certificate, &ca, st);
	if (r == 0)
		r = file_write(dir, "agent.pem", &agent, st);
	if (r == 0)
		r = file_write(dir, "cafile.pem", &ca, st);
	buf_free(&agent);
	buf_free(&ca);
	return r;
}

/* What a node that was killed left behind holds a copy of its key. */
static void remove_left(const struct settings *s)
{
	DIR *d = opendir(s->spool_dir);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char *path = NULL;
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 && strlen(e->d_name) == strlen(PREFIX SUFFIX) &&
		    asprintf(&path, "%s/%s", s->spool_dir, e->d_name) >= 0)
			tlsdir_remove(&path);
	}
	if (d)
		closedir(d);
}

int tlsdir_make(const struct settings *s, char **path, struct status *st)
{
	*path = NULL;
	if (!s->sip_tls_certificate[0] || !s->sip_tls_key[0])
		return status_set(st, -EINVAL,
				  "[sip] listen has a tls address: tls_certificate and tls_key must name PEM files");
	int r = check(s, st);
	if (r)
		return r;
	char *dir = NULL;
	remove_left(s);
	if (asprintf(&dir, "%s/" PREFIX SUFFIX, s->spool_dir) < 0)
		return -ENOMEM;
	if (!mkdtemp(dir)) {
		r = status_set(st, -errno, "%s: %s", dir, strerror(errno));
		free(dir);
		return r;
	}
	*path = dir;
	r = fill(s, dir, st);
	if (r)
		tlsdir_remove(path);
	return r;
}

void tlsdir_remove(char **path)
{
	static const char *const name[] = {"agent.pem", "cafile.pem"};
	char file[4200];

	if (!*path)
		return;
	for (int i = 0; i < 2; i++) {
		snprintf(file, sizeof file, "%s/%s", *path, name[i]);
		unlink(file);
	}
	rmdir(*path);
	free(*path);
	*path = NULL;
}
