/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/root.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/store_chain.h"
#include "lib/buf.h"

enum { KEY_BYTES = 32, SIGNATURE_BYTES = 64, HEX_MAX = 2 * SIGNATURE_BYTES + 1 };

static int key_read(const char *path, EVP_PKEY **key, struct status *st)
{
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return status_set(st, -EINVAL, "%s: %s", path, strerror(errno));
	*key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	if (*key != NULL && EVP_PKEY_get_id(*key) == EVP_PKEY_ED25519)
		return 0;
	EVP_PKEY_free(*key);
	*key = NULL;
	return status_set(st, -EINVAL, "%s: no Ed25519 private key in PEM (openssl genpkey -algorithm ed25519)", path);
}

static int key_public(EVP_PKEY *key, unsigned char out[static KEY_BYTES])
{
	size_t len = KEY_BYTES;

	return EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == KEY_BYTES ? 0 : -EINVAL;
}

static char *hex_of(const unsigned char *bytes, size_t n, char out[static HEX_MAX])
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return out;
}

/* 0 if text is exactly n bytes in hex */
static int hex_parse(const char *text, unsigned char *out, size_t n)
{
	if (strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (sscanf(text + 2 * i, "%2hhx", &out[i]) != 1)
			return -EINVAL;
	return 0;
}

/* The root of a day; before: in hex, "" for the first. */
static int root_of(const char *before, const char *day, const char *heads, struct chain_hash *root)
{
	*root = (struct chain_hash){{0}};
	if (before[0] != '\0' && chain_parse(before, root) != 0)
		return -EINVAL;
	chain_link(root, day, heads); /* the same form: what was before, a line, the rest */
	return 0;
}

static int sign(EVP_PKEY *key, const struct chain_hash *root, unsigned char out[static SIGNATURE_BYTES])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t len = SIGNATURE_BYTES;
	bool signed_ = md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
		       EVP_DigestSign(md, out, &len, root->byte, sizeof(root->byte)) == 1 && len == SIGNATURE_BYTES;

	EVP_MD_CTX_free(md);
	return signed_ ? 0 : -EINVAL;
}

static int seal_day(struct pg *pg, EVP_PKEY *key, const char *day, struct status *st)
{
	unsigned char signature[SIGNATURE_BYTES], public[KEY_BYTES];
	char root_hex[CHAIN_HEX_MAX], signature_hex[HEX_MAX], public_hex[HEX_MAX];
	const char *params[] = {day, NULL, root_hex, signature_hex, public_hex};
	struct chain_hash root;
	PGresult *heads;
	int err = pg_exec(pg, &store_root_heads, &day, &heads, st);

	if (err != 0)
		return err;
	params[1] = PQgetvalue(heads, 0, 0);
	err = root_of(PQgetvalue(heads, 0, 1), day, params[1], &root);
	if (err == 0)
		err = sign(key, &root, signature);
	if (err == 0)
		err = key_public(key, public);
	if (err != 0) {
		(void)status_set(st, err, "the root of %s cannot be signed", day);
	} else {
		chain_hex(&root, root_hex);
		hex_of(signature, sizeof(signature), signature_hex);
		hex_of(public, sizeof(public), public_hex);
		err = pg_exec(pg, &store_root_add, params, NULL, st);
	}
	PQclear(heads);
	return err;
}

int root_seal(struct pg *pg, const char *key_path, int *made, struct status *st)
{
	EVP_PKEY *key;
	PGresult *days;
	int err = key_read(key_path, &key, st);

	*made = 0;
	if (err != 0)
		return err;
	err = pg_exec(pg, &store_root_days, NULL, &days, st);
	if (err == 0) {
		for (int i = 0; err == 0 && i < PQntuples(days); i++) {
			err = seal_day(pg, key, PQgetvalue(days, i, 0), st);
			*made += err == 0;
		}
		PQclear(days);
	}
	EVP_PKEY_free(key);
	return err;
}

/* ---- check ---- */

static bool signature_holds(const char *public_hex, const char *signature_hex, const struct chain_hash *root)
{
	unsigned char public[KEY_BYTES], signature[SIGNATURE_BYTES];

	if (hex_parse(public_hex, public, sizeof(public)) != 0 ||
	    hex_parse(signature_hex, signature, sizeof(signature)) != 0)
		return false;
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public, sizeof(public));
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool holds = key != NULL && md != NULL && EVP_DigestVerifyInit(md, NULL, NULL, NULL, key) == 1 &&
		     EVP_DigestVerify(md, signature, sizeof(signature), root->byte, sizeof(root->byte)) == 1;

	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return holds;
}

static int check_head(struct pg *pg, const char *day, const char *line, struct chain_report *report, struct status *st)
{
	char chain[64], seq[24], hash[CHAIN_HEX_MAX];
	const char *params[] = {chain, seq};
	PGresult *r;

	if (sscanf(line, "%63s %23s %64s", chain, seq, hash) != 3) {
		chain_bad(report, "edited: the root of %s names no chain", day);
		return 0;
	}
	int err = pg_exec(pg, &store_chain_hash_at, params, &r, st);
	if (err != 0)
		return err;
	if (PQntuples(r) == 0)
		chain_bad(report, "deleted: %s of chain %s, which the root of %s names", seq, chain, day);
	else if (!PQgetisnull(r, 0, 0) &&
		 strcmp(PQgetvalue(r, 0, 0), hash) != 0) /* null: in the middle of what was archived */
		chain_bad(report, "edited: %s of chain %s is not what the root of %s names", seq, chain, day);
	PQclear(r);
	return 0;
}

static int check_heads(struct pg *pg, const char *day, const char *heads, struct chain_report *report,
		       struct status *st)
{
	char *copy = xstrdup(heads), *save = NULL;
	int err = 0;

	for (char *line = strtok_r(copy, "\n", &save); err == 0 && line != NULL; line = strtok_r(NULL, "\n", &save))
		err = check_head(pg, day, line, report, st);
	free(copy);
	return err;
}

static int check_root(struct pg *pg, const PGresult *r, int i, const char *wanted_public, struct chain_report *report,
		      struct status *st)
{
	const char *day = PQgetvalue(r, i, 0), *heads = PQgetvalue(r, i, 1), *public = PQgetvalue(r, i, 4);
	char hex[CHAIN_HEX_MAX];
	struct chain_hash root;

	if (root_of(PQgetvalue(r, i, 5), day, heads, &root) != 0 ||
	    strcmp(chain_hex(&root, hex), PQgetvalue(r, i, 2)) != 0)
		chain_bad(report, "edited: the root of %s does not fit its heads and the root before", day);
	else if (!signature_holds(public, PQgetvalue(r, i, 3), &root))
		chain_bad(report, "edited: the signature of the root of %s does not hold", day);
	else if (wanted_public[0] != '\0' && strcmp(wanted_public, public) != 0)
		chain_bad(report, "edited: the root of %s was signed by another key", day);
	return check_heads(pg, day, heads, report, st);
}

int root_verify(struct pg *pg, const char *key_path, int *roots, struct chain_report *report, struct status *st)
{
	unsigned char public[KEY_BYTES];
	char wanted[HEX_MAX] = "";
	EVP_PKEY *key = NULL;
	PGresult *r;
	int err = key_path != NULL ? key_read(key_path, &key, st) : 0;

	if (err != 0)
		return err;
	if (key != NULL && key_public(key, public) == 0)
		hex_of(public, sizeof(public), wanted);
	EVP_PKEY_free(key);
	err = pg_exec(pg, &store_root_list, NULL, &r, st);
	if (err != 0)
		return err;
	*roots = PQntuples(r);
	for (int i = 0; err == 0 && i < PQntuples(r); i++)
		err = check_root(pg, r, i, wanted, report, st);
	PQclear(r);
	return err;
}
