/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/webhook.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"

int webhook_parse(const char *url, struct webhook_url *out, struct status *st)
{
	*out = (struct webhook_url){.secure = strncmp(url, "https://", 8) == 0};
	const char *host = url + (out->secure ? 8 : 7);

	if (!out->secure && strncmp(url, "http://", 7) != 0)
		return status_set(st, -EINVAL, "must begin with http:// or https://");
	bool bracket = *host == '[';
	host += bracket;
	size_t len = strcspn(host, bracket ? "]" : ":/?#");
	const char *rest = host + len + (bracket && host[len] == ']');
	size_t port_len = *rest == ':' ? strspn(rest + 1, "0123456789") : 0;

	if (len == 0 || len >= sizeof(out->host) || memchr(host, '@', len) != NULL || port_len >= sizeof(out->port) ||
	    (*rest == ':' && port_len == 0) || strcspn(url, " \t\r\n#") != strlen(url))
		return status_set(st, -EINVAL, "is no URL that can be posted to");
	memcpy(out->host, host, len);
	if (port_len > 0)
		memcpy(out->port, rest + 1, port_len);
	else
		strcpy(out->port, out->secure ? "443" : "80");
	rest += *rest == ':' ? port_len + 1 : 0;
	int n = snprintf(out->path, sizeof(out->path), "%s%s", *rest == '/' ? "" : "/", rest);
	return n < (int)sizeof(out->path) ? 0 : status_set(st, -EINVAL, "is too long");
}

/* Wait until the connection can go on. 0 or -ETIMEDOUT */
static int await(BIO *b, int64_t until_us, struct status *st)
{
	struct pollfd fd = {.fd = -1, .events = BIO_should_write(b) || BIO_should_io_special(b) ? POLLOUT : POLLIN};
	int64_t left_us = until_us - clock_mono_us();

	if (BIO_get_fd(b, &fd.fd) < 0 || left_us <= 0 || poll(&fd, 1, (int)(left_us / 1000 + 1)) <= 0)
		return status_set(st, -ETIMEDOUT, "no answer in time");
	return 0;
}

static int connect_to(BIO *b, int64_t until_us, struct status *st)
{
	while (BIO_do_connect(b) <= 0) {
		int err = BIO_should_retry(b) ? await(b, until_us, st) : -ECONNREFUSED;
		char why[200] = "cannot be reached";

		if (err == -ECONNREFUSED && ERR_peek_error() != 0)
			ERR_error_string_n(ERR_get_error(), why, sizeof(why));
		if (err == -ECONNREFUSED)
			return status_set(st, err, "%s", why);
		if (err != 0)
			return err;
	}
	return 0;
}

static int send_all(BIO *b, const struct buf *text, int64_t until_us, struct status *st)
{
	for (size_t sent = 0; sent < text->len;) {
		int n = BIO_write(b, text->text + sent, (int)(text->len - sent));

		if (n > 0)
			sent += (size_t)n;
		else if (!BIO_should_retry(b))
			return status_set(st, -EPROTO, "the connection was closed");
		else if (await(b, until_us, st) != 0)
			return -ETIMEDOUT;
	}
	return 0;
}

static int read_status(BIO *b, int64_t until_us, struct status *st)
{
	char answer[512];
	size_t have = 0;
	int code;

	while (have < sizeof(answer) - 1 && memchr(answer, '\n', have) == NULL) {
		int n = BIO_read(b, answer + have, (int)(sizeof(answer) - 1 - have));

		if (n > 0)
			have += (size_t)n;
		else if (!BIO_should_retry(b))
			break;
		else if (await(b, until_us, st) != 0)
			return -ETIMEDOUT;
	}
	answer[have] = '\0';
	if (sscanf(answer, "HTTP/1.%*d %d", &code) != 1)
		return status_set(st, -EPROTO, "it did not answer by HTTP");
	return code / 100 == 2 ? 0 : status_set(st, -EPROTO, "it answered %d", code);
}

/* *ctx is set for HTTPS and freed after the BIO. */
static BIO *bio_new(const struct webhook_url *url, SSL_CTX **ctx)
{
	bool v6 = strchr(url->host, ':') != NULL;
	char to[300];
	SSL *ssl = NULL;
	BIO *b;

	snprintf(to, sizeof(to), v6 ? "[%s]:%s" : "%s:%s", url->host, url->port);
	if (!url->secure) {
		b = BIO_new_connect(to);
	} else {
		*ctx = SSL_CTX_new(TLS_client_method());
		if (*ctx == NULL || SSL_CTX_set_default_verify_paths(*ctx) != 1)
			return NULL;
		SSL_CTX_set_verify(*ctx, SSL_VERIFY_PEER, NULL);
		b = BIO_new_ssl_connect(*ctx);
		if (b == NULL || BIO_get_ssl(b, &ssl) <= 0 || SSL_set1_host(ssl, url->host) != 1 ||
		    SSL_set_tlsext_host_name(ssl, url->host) != 1) {
			BIO_free_all(b);
			return NULL;
		}
		BIO_set_conn_hostname(b, to);
	}
	if (b != NULL)
		BIO_set_nbio(b, 1);
	return b;
}

int webhook_post(const struct webhook_url *url, const char *json, int limit_ms, struct status *st)
{
	int64_t until_us = clock_mono_us() + (int64_t)limit_ms * 1000;
	struct buf request = {0};
	SSL_CTX *ctx = NULL;

	ERR_clear_error();
	BIO *b = bio_new(url, &ctx);
	buf_printf(&request,
		   strchr(url->host, ':') != NULL ? "POST %s HTTP/1.1\r\nHost: [%s]:%s\r\n"
						  : "POST %s HTTP/1.1\r\nHost: %s:%s\r\n",
		   url->path, url->host, url->port);
	buf_printf(&request,
		   "User-Agent: tandem\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: "
		   "close\r\n\r\n%s",
		   strlen(json), json);
	int err = b != NULL ? connect_to(b, until_us, st) : status_set(st, -ENOMEM, "no TLS can be had");
	if (err == 0)
		err = send_all(b, &request, until_us, st);
	if (err == 0)
		err = read_status(b, until_us, st);
	BIO_free_all(b);
	SSL_CTX_free(ctx);
	buf_free(&request);
	return err;
}
