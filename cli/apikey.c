/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "cli/apikey.h"
#include "cli/store.h"
#include "lib/random.h"

#define SECRET_BYTES 32
#define KEY_CHARS (3 + 43) /* "tk_" and the secret in base64url, unpadded */

static void key_make(char key[static KEY_CHARS + 2])
{
	unsigned char secret[SECRET_BYTES];

	random_bytes(secret, sizeof(secret));
	memcpy(key, "tk_", 3);
	EVP_EncodeBlock((unsigned char *)key + 3, secret, sizeof(secret));
	key[KEY_CHARS] = '\0'; /* the padding */
	for (char *p = key + 3; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	OPENSSL_cleanse(secret, sizeof(secret));
}

static bool key_hash(const char *key, char hex[static 2 * EVP_MAX_MD_SIZE + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_Digest(key, strlen(key), digest, &len, EVP_sha256(), NULL) != 1)
		return false;
	for (unsigned i = 0; i < len; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	return true;
}

static enum cli_exit refuse(struct pg *pg, int err, const char *name, const char *carrier, const struct status *st)
{
	if (err == -EEXIST && strcmp(pg_constraint(pg), "api_keys_name_unique") == 0)
		return cli_fail("there is an API key named \"%s\" already", name);
	if (err == -EBUSY)
		return cli_fail("there is no carrier %s", carrier);
	return cli_fail("%s", st->text);
}

enum cli_exit apikey_create(struct pg *pg, const char *name, const char *role, const char *carrier)
{
	char key[KEY_CHARS + 2], hex[2 * EVP_MAX_MD_SIZE + 1];
	enum cli_exit status = CLI_DONE;
	struct status st = {""};

	key_make(key);
	if (!key_hash(key, hex)) {
		status = cli_fail("SHA-256 is not available");
	} else {
		const char *const params[] = {name, role, carrier, hex, cli_actor()};
		int err = pg_exec(pg, &cli_key_insert, params, NULL, &st);

		if (err != 0)
			status = refuse(pg, err, name, carrier, &st);
		else
			printf("%s\n", key);
	}
	OPENSSL_cleanse(key, sizeof(key));
	return status;
}

bool apikey_name_fits(const char *name)
{
	json_t *text = json_string(name); /* NULL: not UTF-8 */
	bool fits = text != NULL && strlen(name) <= APIKEY_NAME_BYTES && strspn(name, " ") < strlen(name);

	for (const char *c = name; *c != '\0'; c++)
		fits &= (unsigned char)*c >= 0x20 && *c != 0x7f;
	json_decref(text);
	return fits;
}

static enum cli_exit run(struct cli *cli, int argc, char **argv)
{
	static const char *const roles[] = {"admin", "provisioning", "finance", "readonly"};
	const char *name = NULL, *role = NULL, *carrier = NULL;
	const struct cli_option options[] = {
		{.name = "name", .value = &name, .required = true},
		{.name = "role", .value = &role, .required = true},
		{.name = "carrier", .value = &carrier},
	};
	enum cli_exit status;
	bool known = false;
	int64_t id;

	if (!cli_parse(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), NULL, 0, &status))
		return status;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		known |= strcmp(roles[i], role) == 0;
	if (!known)
		return cli_usage(cli, "--role must be admin, provisioning, finance or readonly");
	if (!apikey_name_fits(name))
		return cli_usage(cli, "--name must have " APIKEY_NAME_WORDS, APIKEY_NAME_BYTES);
	if (carrier != NULL && !cli_parse_int(carrier, 1, INT64_MAX, &id))
		return cli_usage(cli, "--carrier must be a carrier's id");

	struct pg *pg = cli_database(cli);
	if (pg == NULL)
		return CLI_FAILED;
	status = apikey_create(pg, name, role, carrier);
	pg_free(&pg);
	return status;
}

const struct command command_apikey_create = {
	.name = "apikey create",
	.synopsis = "--name N --role admin|provisioning|finance|readonly [--carrier ID]",
	.meaning = "make an API key; it is printed once, alone on a line",
	.help = "  --name N       unique name; what the key does is logged under it\n"
		"  --role R       what it may do\n"
		"  --carrier ID   only read what belongs to this carrier\n",
	.run = run,
};
