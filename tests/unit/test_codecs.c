/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "switch/codecs.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static const char *const alaw[] = {"pcma"}, *const alaw_g729[] = {"PCMA", "G729"},
			 *const wide[] = {"opus/48000", "G722"};

static void filtered(const char *in, const char *const *name, int n, const char *expected)
{
	struct buf out = {0};
	assert_int_equal(codecs_filter(&out, in, strlen(in), &(struct codecs){.name = name, .n = n}), 0);
	assert_string_equal(out.text, expected);
	buf_free(&out);
}

static void without_a_list_nothing_changes(void **state)
{
	filtered(HEAD "m=audio 4000 RTP/AVP 18 0\r\n", NULL, 0, HEAD "m=audio 4000 RTP/AVP 18 0\r\n");
}

static void the_list_filters_and_orders(void **state)
{
	filtered(HEAD "m=audio 4000 RTP/AVP 0 18 8\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:18 annexb=no\r\na=sendrecv\r\n",
		 alaw_g729, 2, HEAD "m=audio 4000 RTP/AVP 8 18\r\na=fmtp:18 annexb=no\r\na=sendrecv\r\n");
}

static void dynamic_types_go_by_their_name(void **state)
{
	filtered(HEAD "m=audio 4000 RTP/SAVPF 96 97 9\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:97 opus/16000\r\n", wide,
		 2, HEAD "m=audio 4000 RTP/SAVPF 96 9\r\na=rtpmap:96 opus/48000/2\r\n");
}

static void a_dynamic_name_outweighs_the_static_one(void **state)
{
	struct buf out = {0};
	const char *in = HEAD "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 X-OTHER/8000\r\n";
	assert_int_equal(codecs_filter(&out, in, strlen(in), &(struct codecs){.name = alaw, .n = 1}), -ENOTSUP);
	buf_free(&out);
}

static void digits_and_comfort_noise_stay_with_a_codec_but_are_none(void **state)
{
	struct buf out = {0};
	const char *in = HEAD "m=audio 4000 RTP/AVP 13 101\r\na=rtpmap:101 telephone-event/8000\r\n";

	filtered(HEAD "m=audio 4000 RTP/AVP 101 13 8 0\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
		 alaw, 1,
		 HEAD "m=audio 4000 RTP/AVP 8 101 13\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n");
	assert_int_equal(codecs_filter(&out, in, strlen(in), &(struct codecs){.name = alaw, .n = 1}), -ENOTSUP);
	buf_free(&out);
}

static void other_media_pass_as_they_are(void **state)
{
	filtered(HEAD "m=audio 0 RTP/AVP 18\r\nm=image 4000 udptl t38\r\nm=video 5000 RTP/AVP 31\r\na=rtpmap:31 "
		      "H261/90000\r\n",
		 alaw, 1,
		 HEAD "m=audio 0 RTP/AVP 18\r\nm=image 4000 udptl t38\r\nm=video 5000 RTP/AVP 31\r\na=rtpmap:31 "
		      "H261/90000\r\n");
}

static void each_audio_line_is_looked_at(void **state)
{
	filtered(HEAD "m=audio 4000 RTP/AVP 0 8\r\na=sendonly\r\nm=audio 4002 RTP/AVP 8 0\r\na=rtpmap:0 PCMU/8000\r\n",
		 alaw, 1, HEAD "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\nm=audio 4002 RTP/AVP 8\r\n");
}

static void odd_text_is_survived(void **state)
{
	struct buf out = {0};
	const char *in = "m=\nm=audio\nm=audio 1 RTP/AVP x\na=rtpmap:\na=rtpmap:8\n\n";
	assert_int_equal(codecs_filter(&out, in, strlen(in), &(struct codecs){.name = alaw, .n = 1}), 0);
	assert_int_equal(codecs_filter(&out, "", 0, &(struct codecs){.name = alaw, .n = 1}), 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_list_nothing_changes),
		cmocka_unit_test(the_list_filters_and_orders),
		cmocka_unit_test(dynamic_types_go_by_their_name),
		cmocka_unit_test(a_dynamic_name_outweighs_the_static_one),
		cmocka_unit_test(digits_and_comfort_noise_stay_with_a_codec_but_are_none),
		cmocka_unit_test(other_media_pass_as_they_are),
		cmocka_unit_test(each_audio_line_is_looked_at),
		cmocka_unit_test(odd_text_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
