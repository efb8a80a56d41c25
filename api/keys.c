/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/api-keys: made here or by `tandem apikey create`; shown once, kept as a hash. /v1/self: the one that asks. */
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/base64url.h"
#include "api/events.h"
#include "api/handlers.h"
#include "api/resource.h"
#include "api/service.h"
#include "api/store.h"
#include "lib/random.h"

static const char *const roles[] = {"admin", "provisioning", "finance", "readonly", NULL};

static const struct field fields[] = {
	FIELD_OWN_ID,
	FIELD_OWN_NAME("\"billing system\"", "Unique name; the audit log's actor."),
	{.name = "role",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_REQUIRED,
	 .choices = roles,
	 .example = "\"readonly\"",
	 .meaning = "What it may do."},
	FIELD_CARRIER(FIELD_NULLABLE, "Only reads what belongs to this carrier. Null: everything that the role may."),
	{.name = "key",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY | FIELD_ALONE,
	 .example = "\"tk_Zx3…\"",
	 .meaning = "The key itself, only in the answer to POST."},
	FIELD_MADE("When it was made."),
	{.name = "last_used_at",
	 .type = FIELD_TIME,
	 .flags = FIELD_READ_ONLY | FIELD_NULLABLE,
	 .meaning = "When it was last used, to the minute."},
};

/* The same of the key that asks. */
static const struct field self_fields[] = {
	{.name = "id", .type = FIELD_ID, .flags = FIELD_READ_ONLY, .example = "1", .meaning = "Id of the key."},
	{.name = "name",
	 .type = FIELD_TEXT,
	 .flags = FIELD_READ_ONLY,
	 .example = "\"billing system\"",
	 .meaning = "Its name, the audit log's actor."},
	{.name = "role",
	 .type = FIELD_CHOICE,
	 .flags = FIELD_READ_ONLY,
	 .choices = roles,
	 .example = "\"readonly\"",
	 .meaning = "What it may do; x-role and x-carrier-key of each operation in /openapi.json say what that is."},
	FIELD_CARRIER(FIELD_READ_ONLY | FIELD_NULLABLE, "The carrier that it is bound to. Null: none."),
};

/* The new key: 256 random bits. It is lent to the insert as a hash and kept in the request until it is shown. */
static int before_insert(struct request *r, json_t *object)
{
	unsigned char secret[32];
	char hash[AUTH_HASH_TEXT];

	random_bytes(secret, sizeof(secret));
	char *key = arena_alloc(r->arena, 3 + base64url_length(sizeof(secret)) + 1);
	memcpy(key, "tk_", 3);
	base64url_encode(secret, sizeof(secret), key + 3);
	r->made_key = key;
	json_object_set_new(object, "key_sha256", json_string(auth_hash(key, hash)));
	return 0;
}

static void after_insert(struct request *r, json_t *shown)
{
	json_object_set_new(shown, "key", json_string(r->made_key));
}

void api_keys_remove(struct request *r)
{
	resource_remove(r);
	auth_forget(); /* whatever became of it */
	if (r->answer.status == 204)
		events_key_gone(r->service->events, strtoll(r->id, NULL, 10));
}

const struct resource api_keys = {
	.collection = "api-keys",
	.noun = "API key",
	.meaning = "Who may use this API. A key is shown once and kept as a hash.",
	.fields = fields,
	.n = sizeof(fields) / sizeof(*fields),
	.list = &store_key_list,
	.get = &store_key_get,
	.lock = &store_key_lock,
	.insert = &store_key_insert,
	.remove = &store_key_delete,
	.before_insert = before_insert,
	.after_insert = after_insert,
};

const struct resource self = {
	.collection = "self",
	.noun = "key",
	.meaning = "The key that asks: who am I, and what may I do?",
	.fields = self_fields,
	.n = sizeof(self_fields) / sizeof(*self_fields),
};

void self_get(struct request *r)
{
	static const char *const words[] = {"readonly", "provisioning", "finance", "admin"};
	const struct caller *c = &r->caller;

	if (params_check(r, NULL, NULL, NULL) != 0)
		return;
	json_t *shown = json_pack("{s:I, s:s, s:s, s:o}", "id", (json_int_t)c->key_id, "name", c->name, "role",
				  words[c->role], "carrier_id",
				  request_is_bound(r) ? json_integer(strtoll(c->carrier_text, NULL, 10)) : json_null());
	request_answer_json(r, 200, shown);
	json_decref(shown);
}
