/* SPDX-License-Identifier: Apache-2.0 */
#include "api/idempotency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/seal.h"
#include "api/store.h"

#define IDEMPOTENCY_KEY_MAX 255

static const char *fingerprint(struct request *r)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	/* A handler may run again after a deadlock: the digest itself stays open. */
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	if (copy == NULL || EVP_MD_CTX_copy_ex(copy, r->digest) != 1 || EVP_DigestFinal_ex(copy, hash, &len) != 1)
		abort();
	EVP_MD_CTX_free(copy);
	char *hex = arena_alloc(r->arena, 2 * len + 1);
	for (unsigned i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return hex;
}

static int key_check(struct request *r)
{
	size_t len = strlen(r->idempotency_key);

	if (len >= 1 && len <= IDEMPOTENCY_KEY_MAX && strspn(r->idempotency_key, " ") < len) {
		for (const char *c = r->idempotency_key; *c != '\0'; c++)
			if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
				goto bad;
		return 0;
	}
bad:
	request_problem(r, 400, "Idempotency-Key must have 1 to %d printable ASCII characters.", IDEMPOTENCY_KEY_MAX);
	return -1;
}

static int replay(struct request *r, const PGresult *row, const char *print)
{
	const char *location = store_text(row, 0, 2), *sealed = store_text(row, 0, 3);

	if (strcmp(PQgetvalue(row, 0, 0), print) != 0) {
		request_problem(r, 409, "This Idempotency-Key was used for another request.");
		return -1;
	}
	char *body = seal_open(r, sealed != NULL ? sealed : "");
	if (body == NULL) {
		request_problem(r, 409, "This Idempotency-Key was used, but its answer can no longer be read.");
		return -1;
	}
	json_t *object = json_loads(body, 0, NULL);
	request_etag(r, object);
	json_decref(object);
	buf_reset(&r->answer.body);
	buf_puts(&r->answer.body, body);
	free(body);
	r->answer.location = location != NULL ? arena_strdup(r->arena, location) : NULL;
	request_answer(r, atoi(PQgetvalue(row, 0, 1)), "application/json");
	return -1;
}

int idempotency_claim(struct request *r)
{
	PGresult *result;

	if (r->idempotency_key == NULL)
		return 0;
	if (key_check(r) != 0)
		return -1;
	const char *print = fingerprint(r);
	const char *values[] = {r->caller.id_text, r->idempotency_key, print};
	if (store_query(r, &store_idempotency_claim, values, &result) != 0)
		return -1;
	int claimed = PQntuples(result);
	PQclear(result);
	if (claimed == 1)
		return 0;
	if (store_query(r, &store_idempotency_find, values, &result) != 0)
		return -1;
	if (PQntuples(result) == 1)
		replay(r, result, print);
	else /* it expired between the two */
		request_problem(r, 503, "The request collided with another; send it again.");
	PQclear(result);
	return -1;
}

int idempotency_keep(struct request *r)
{
	PGresult *result;
	char status[16];

	if (r->idempotency_key == NULL)
		return 0;
	char *sealed = seal_make(r, r->answer.body.text);
	snprintf(status, sizeof(status), "%d", r->answer.status);
	const char *values[] = {r->caller.id_text, r->idempotency_key, status, r->answer.location, sealed};
	int rc = store_query(r, &store_idempotency_keep, values, &result);
	if (rc == 0)
		PQclear(result);
	free(sealed);
	return rc;
}
