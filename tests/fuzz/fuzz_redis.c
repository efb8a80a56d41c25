/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_redis.c - what Redis says when it is asked for live calls and nodes: any bytes at all. The connection is given
 * up where they are no replies; what is handed on is JSON of the shape promised.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster/live.h"
#include "lib/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_redis.h"

enum { LIMIT_MS = 20 };

static const char *answer; /* to any command but the first ones of a connection */

static const char *reply(const char *command)
{
	return strncmp(command, "PING", 4) == 0 ? "+PONG\r\n" : answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = fuzz_text(bytes, len);
	struct status st = {""};
	json_t *calls = NULL, *nodes = NULL;

	log_set_level(LOG_LEVEL_ERROR);
	answer = text;
	struct fake_redis *server = fake_redis_start(reply);
	struct redis *r = redis_new(fake_redis_url(server), LIMIT_MS);
	if (live_nodes(r, &nodes, &st) == 0)
		fuzz_must(json_is_array(nodes));
	if (live_calls(r, &calls, &st) == 0)
		fuzz_must(json_is_array(calls));
	json_decref(nodes);
	json_decref(calls);
	redis_free(&r);
	fake_redis_stop(&server);
	free(text);
	return 0;
}
