/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "api/events.h"

static void published_calls_become_event_text(void **state)
{
	static const char message[] =
		"[{\"event\":\"call.started\",\"call\":{\"id\":\"a\",\"_terms\":{\"price_n\":1}}},"
		"{\"event\":\"call.ended\",\"call\":{\"id\":\"b\"}}]";
	char *text = events_text(message, strlen(message));

	(void)state;
	assert_string_equal(text,
			    "event: call.started\ndata: {\"id\":\"a\"}\n\nevent: call.ended\ndata: {\"id\":\"b\"}\n\n");
	free(text);
}

static void what_is_no_list_of_events_is_dropped(void **state)
{
	static const char broken[] = "[{\"event\":\"a\\nb\",\"call\":{}},{\"event\":7},{\"call\":{}},5]";
	char *text;

	(void)state;
	assert_null(events_text("{}", 2));
	assert_null(events_text("[", 1));
	text = events_text(broken, strlen(broken));
	assert_string_equal(text, "");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_calls_become_event_text),
		cmocka_unit_test(what_is_no_list_of_events_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
