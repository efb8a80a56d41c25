/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/arena.h"
#include "switch/body.h"
#include "switch/leg.h"
#include "switch/leg_priv.h"

static char *kept(struct leg *leg, char letter, size_t len)
{
	static char text[8192];
	sip_payload_t payload[1] = {{.pl_data = text, .pl_len = (unsigned)len}};

	memset(text, letter, len);
	leg_sdp_keep(leg, &(struct body){.payload = payload});
	assert_int_equal(strlen(leg->sdp_sent), len);
	assert_int_equal(strspn(leg->sdp_sent, (char[]){letter, '\0'}), len);
	return leg->sdp_sent;
}

/* A call may be changed as often as its peers like, and its memory comes back only at its end. */
static void a_changed_sdp_takes_the_place_of_the_one_before(void **state)
{
	struct leg leg = {.arena = arena_new(1024), .session = {.expires_s = 90}};
	char *first = kept(&leg, 'a', 300), *longer;

	(void)state;
	assert_ptr_equal(kept(&leg, 'b', 299), first);
	assert_ptr_equal(kept(&leg, 'c', 400), first);
	longer = kept(&leg, 'd', 5000);
	for (size_t len = 0; len < 8192; len += 13)
		assert_ptr_equal(kept(&leg, 'e', len), longer);
	arena_free(&leg.arena);
}

static void without_a_session_timer_none_is_kept(void **state)
{
	struct leg leg = {.arena = arena_new(1024)};
	sip_payload_t payload[1] = {{.pl_data = "v=0", .pl_len = 3}};

	(void)state;
	leg_sdp_keep(&leg, &(struct body){.payload = payload});
	assert_null(leg.sdp_sent);
	arena_free(&leg.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_sdp_takes_the_place_of_the_one_before),
		cmocka_unit_test(without_a_session_timer_none_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
