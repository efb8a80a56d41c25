/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define PEM_MAX (1024 * 1024)
#define CHAIN_MAX 16

struct pair { /* as PEM text */
	char *certificate, *key;
};

static struct {
	pthread_mutex_t lock;
	struct pair pair;
} used = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int pem_read(const char *path, char **out, struct status *st)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return status_set(st, -errno, "can't read %s: %s", path, strerror(errno));
	setvbuf(f, NULL, _IONBF, 0); /* no copy of a key stays in a buffer */
	*out = xcalloc(1, PEM_MAX + 1);
	size_t n = fread(*out, 1, PEM_MAX + 1, f);
	fclose(f);
	if (n > 0 && n <= PEM_MAX)
		return 0;
	OPENSSL_cleanse(*out, PEM_MAX + 1);
	free(*out);
	*out = NULL;
	return status_set(st, -EINVAL, "%s is empty or too large for a PEM file", path);
}

static void pair_free(struct pair *p)
{
	if (p->key != NULL)
		OPENSSL_cleanse(p->key, strlen(p->key));
	free(p->certificate);
	free(p->key);
	*p = (struct pair){NULL};
}

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

/* The pair as GnuTLS wants it; the caller, or GnuTLS, frees both. 0, or one of its error codes. */
static int pair_import(const struct pair *p, gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key)
{
	const gnutls_datum_t certificate_text = datum(p->certificate), key_text = datum(p->key);
	gnutls_pcert_st *certificates = gnutls_calloc(CHAIN_MAX, sizeof(*certificates));
	int err = certificates == NULL ? GNUTLS_E_MEMORY_ERROR : gnutls_privkey_init(key);

	if (err < 0) {
		gnutls_free(certificates);
		return err;
	}
	*length = CHAIN_MAX;
	err = gnutls_privkey_import_x509_raw(*key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (err >= 0)
		err = gnutls_pcert_list_import_x509_raw(certificates, length, &certificate_text, GNUTLS_X509_FMT_PEM,
							GNUTLS_X509_CRT_LIST_SORT);
	if (err < 0) {
		gnutls_privkey_deinit(*key);
		gnutls_free(certificates);
		return err;
	}
	*chain = certificates;
	return 0;
}

/* GnuTLS takes chain and key over where they fit. */
static int pair_check(const struct pair *p, struct status *st)
{
	gnutls_certificate_credentials_t credentials = NULL;
	gnutls_pcert_st *chain = NULL;
	gnutls_privkey_t key = NULL;
	unsigned length = 0;
	int err = pair_import(p, &chain, &length, &key);

	if (err >= 0) {
		err = gnutls_certificate_allocate_credentials(&credentials);
		if (err >= 0)
			err = gnutls_certificate_set_key(credentials, NULL, 0, chain, (int)length, key);
		if (err < 0) {
			for (unsigned i = 0; i < length; i++)
				gnutls_pcert_deinit(&chain[i]);
			gnutls_privkey_deinit(key);
		}
		gnutls_free(chain); /* the array is copied */
		if (credentials != NULL)
			gnutls_certificate_free_credentials(credentials);
	}
	if (err >= 0)
		return 0;
	return status_set(st, -EINVAL, "certificate and key are not PEM, or do not belong together (%s)",
			  gnutls_strerror(err));
}

int tls_read(const char *certificate, const char *key, struct status *st)
{
	struct pair fresh = {NULL}, old;
	int err = pem_read(certificate, &fresh.certificate, st);

	if (err == 0)
		err = pem_read(key, &fresh.key, st);
	if (err == 0)
		err = pair_check(&fresh, st);
	if (err != 0) {
		pair_free(&fresh);
		return err;
	}
	pthread_mutex_lock(&used.lock);
	old = used.pair;
	used.pair = fresh;
	pthread_mutex_unlock(&used.lock);
	pair_free(&old);
	return 0;
}

void tls_forget(void)
{
	pthread_mutex_lock(&used.lock);
	pair_free(&used.pair);
	pthread_mutex_unlock(&used.lock);
}

/* GnuTLS calls it, and frees the copies that it gets when the handshake is over. */
static int retrieve(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **chain,
		    unsigned *length, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_length, gnutls_privkey_t *key,
		    unsigned *flags)
{
	(void)session;
	(void)info;
	pthread_mutex_lock(&used.lock);
	int err = pair_import(&used.pair, chain, length, key);
	pthread_mutex_unlock(&used.lock);
	*ocsp = NULL;
	*ocsp_length = 0;
	*flags = GNUTLS_CERT_RETR_DEINIT_ALL;
	return err;
}

void *tls_callback(void)
{
	gnutls_certificate_retrieve_function3 *function = retrieve;
	void *pointer;

	memcpy(&pointer, &function, sizeof(pointer)); /* C knows no cast from a function's pointer to an object's */
	return pointer;
}
