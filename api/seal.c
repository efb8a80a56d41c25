/* SPDX-License-Identifier: Apache-2.0 */
#include "api/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "api/base64url.h"
#include "lib/random.h"

#define NONCE_LEN 12
#define TAG_LEN 16
#define SEAL_KEY_LEN 32

static void seal_key(const struct request *r, unsigned char key[static SEAL_KEY_LEN])
{
	static const char purpose[] = "tandem idempotent answer";
	unsigned len = SEAL_KEY_LEN;

	if (HMAC(EVP_sha256(), r->bearer, (int)strlen(r->bearer), (const unsigned char *)purpose, sizeof(purpose) - 1,
		 key, &len) == NULL)
		abort();
}

char *seal_make(const struct request *r, const char *text)
{
	unsigned char key[SEAL_KEY_LEN];
	int len = (int)strlen(text), n = 0;
	unsigned char *box = xcalloc(1, NONCE_LEN + (size_t)len + TAG_LEN);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

	seal_key(r, key);
	random_bytes(box, NONCE_LEN);
	if (ctx == NULL || EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, box) != 1 ||
	    EVP_EncryptUpdate(ctx, box + NONCE_LEN, &n, (const unsigned char *)text, len) != 1 || n != len ||
	    EVP_EncryptFinal_ex(ctx, box + NONCE_LEN + n, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_LEN, box + NONCE_LEN + len) != 1)
		abort();
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(key, sizeof(key));
	size_t bytes = NONCE_LEN + (size_t)len + TAG_LEN;
	char *out = xcalloc(1, base64url_length(bytes) + 1);
	base64url_encode(box, bytes, out);
	free(box);
	return out;
}

char *seal_open(const struct request *r, const char *sealed)
{
	unsigned char key[SEAL_KEY_LEN];
	char *box = xcalloc(1, strlen(sealed) + 1), *text = NULL;
	long bytes = base64url_decode(sealed, box);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, end = 0;

	if (ctx == NULL)
		abort();
	if (bytes >= NONCE_LEN + TAG_LEN) {
		int len = (int)bytes - NONCE_LEN - TAG_LEN;
		const unsigned char *at = (const unsigned char *)box;
		text = xcalloc(1, (size_t)len + 1);
		seal_key(r, key);
		if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, at) != 1 ||
		    EVP_DecryptUpdate(ctx, (unsigned char *)text, &n, at + NONCE_LEN, len) != 1 ||
		    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_LEN, box + NONCE_LEN + len) != 1 ||
		    EVP_DecryptFinal_ex(ctx, (unsigned char *)text + n, &end) != 1) {
			free(text);
			text = NULL;
		}
		OPENSSL_cleanse(key, sizeof(key));
	}
	EVP_CIPHER_CTX_free(ctx);
	free(box);
	return text;
}
