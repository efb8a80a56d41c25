/* SPDX-License-Identifier: Apache-2.0 */
/* Digest with a clock of our own: how long a nonce lives, how often it serves, whom it serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "switch/digest.h"

#include <sofia-sip/auth_digest.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

#define ANN "10.0.0.1"
#define URI "sip:442071234567@switch.example"

static const int64_t T0 = 1750000000000000; /* us, any time at all */
static const int64_t SECOND = 1000000;

struct fixture {
	struct digest_guard *guard;
	su_home_t home[1];
};

static int setup(void **state)
{
	static struct fixture f;
	f.guard = digest_guard_new();
	su_home_init(f.home);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	digest_guard_free(&f->guard);
	su_home_deinit(f->home);
	return 0;
}

/* What a caller with that password makes of a challenge. */
static const char *proof(struct fixture *f, const char *challenge, const char *user, const char *password)
{
	msg_auth_t *au = sip_www_authenticate_make(f->home, challenge);
	assert_non_null(au);
	char *answer = digest_answer(f->home, au, user, password, "INVITE", URI);
	assert_non_null(answer);
	return answer;
}

static enum digest_verdict checked_for(struct fixture *f, const char *uri, const char *authorization,
				       const char *source, const char *password, int64_t at_us)
{
	char text[2048];
	int n = snprintf(text, sizeof text,
			 "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:1@a>;tag=1\r\n"
			 "To: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n%s%s%sContent-Length: 0\r\n\r\n",
			 uri, authorization ? "Authorization: " : "", authorization ? authorization : "",
			 authorization ? "\r\n" : "");
	assert_in_range(n, 1, sizeof text - 1);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(msg);
	assert_non_null(sip_object(msg)->sip_request);
	enum digest_verdict v = digest_check(f->guard, sip_object(msg), source, password, at_us);
	msg_destroy(msg);
	return v;
}

static enum digest_verdict checked(struct fixture *f, const char *authorization, const char *source,
				   const char *password, int64_t at_us)
{
	return checked_for(f, URI, authorization, source, password, at_us);
}

static struct digest_challenge challenged(struct fixture *f, int64_t at_us)
{
	struct digest_challenge c;
	digest_challenge(f->guard, ANN, false, at_us, &c);
	return c;
}

static void both_algorithms_are_good(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);

	assert_non_null(strstr(c.md5, "algorithm=MD5"));
	assert_non_null(strstr(c.sha256, "algorithm=SHA-256"));
	assert_int_equal(checked(f, proof(f, c.md5, "ann", "word"), ANN, "word", T0 + SECOND), DIGEST_GOOD);
	c = challenged(f, T0);
	assert_int_equal(checked(f, proof(f, c.sha256, "ann", "word"), ANN, "word", T0 + SECOND), DIGEST_GOOD);
}

static void none_are_challenged_and_wrong_ones_are_bad(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	const char *good = proof(f, c.sha256, "ann", "word");

	assert_int_equal(checked(f, NULL, ANN, "word", T0), DIGEST_NONE);
	assert_int_equal(checked(f, "Basic YW5uOndvcmQ=", ANN, "word", T0), DIGEST_NONE);
	assert_int_equal(checked(f, proof(f, c.sha256, "ann", "guess"), ANN, "word", T0), DIGEST_BAD);
	assert_int_equal(checked(f, good, ANN, NULL, T0), DIGEST_BAD); /* an unknown user */
	assert_int_equal(checked_for(f, "sip:1900@switch.example", good, ANN, "word", T0), DIGEST_NONE);
	assert_int_equal(checked(f, good, ANN, "word", T0), DIGEST_GOOD); /* none of that has used it up */
}

static void an_unknown_user_cannot_come_in_with_an_empty_password(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	assert_int_equal(checked(f, proof(f, c.sha256, "nobody", ""), ANN, NULL, T0), DIGEST_BAD);
}

static void a_nonce_lives_for_its_time_and_no_longer(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	const char *good = proof(f, c.sha256, "ann", "word");
	int64_t end = T0 + DIGEST_NONCE_S * SECOND;

	assert_int_equal(checked(f, good, ANN, "word", end), DIGEST_STALE);
	assert_int_equal(checked(f, good, ANN, "word", T0 - 1), DIGEST_STALE); /* from the future */
	assert_int_equal(checked(f, good, ANN, "word", end - 1), DIGEST_GOOD);
}

static void a_nonce_serves_each_count_once_as_long_as_it_lives(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	const char *good = proof(f, c.sha256, "ann", "word");

	assert_int_equal(checked(f, good, ANN, "word", T0), DIGEST_GOOD);
	for (int64_t at = T0; at < T0 + DIGEST_NONCE_S * SECOND; at += 7 * SECOND)
		assert_int_equal(checked(f, good, ANN, "word", at), DIGEST_STALE);
}

static void a_clock_that_steps_back_frees_no_nonce(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	const char *good = proof(f, c.sha256, "ann", "word");

	assert_int_equal(checked(f, good, ANN, "word", T0 + 30 * SECOND), DIGEST_GOOD);
	for (int s = 31; s >= 0; s--)
		assert_int_equal(checked(f, good, ANN, "word", T0 + s * SECOND), DIGEST_STALE);
}

static void a_nonce_is_bound_to_its_address_and_its_guard(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	const char *good = proof(f, c.sha256, "ann", "word");
	struct digest_guard *other = digest_guard_new(), *mine = f->guard;

	assert_int_equal(checked(f, good, "10.0.0.2", "word", T0), DIGEST_STALE);
	f->guard = other;
	assert_int_equal(checked(f, good, ANN, "word", T0), DIGEST_STALE);
	f->guard = mine;
	digest_guard_free(&other);
	assert_int_equal(checked(f, good, ANN, "word", T0), DIGEST_GOOD);
}

static void a_nonce_cannot_be_made_younger(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge old = challenged(f, T0), young = challenged(f, T0 + 100 * SECOND);
	char *a = strstr(old.sha256, "nonce=\"") + 7, *b = strstr(young.sha256, "nonce=\"") + 7;

	memcpy(a, b, 16); /* the time in front, of a later one */
	assert_int_equal(checked(f, proof(f, old.sha256, "ann", "word"), ANN, "word", T0 + 101 * SECOND), DIGEST_STALE);
}

/* Buckets are drawn by chance: that one of these meets a full one has a chance of 4 in a million. */
static void thousands_a_minute_have_room(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 6000; i++) {
		int64_t at = T0 + i * (SECOND / 1000);
		struct digest_challenge c = challenged(f, at);
		assert_int_equal(checked(f, proof(f, c.md5, "ann", "word"), ANN, "word", at), DIGEST_GOOD);
	}
}

static void a_stale_challenge_says_so(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c;

	digest_challenge(f->guard, ANN, true, T0, &c);
	assert_non_null(strstr(c.sha256, "stale=true"));
	assert_non_null(strstr(c.md5, "stale=true"));
	digest_challenge(f->guard, ANN, false, T0, &c);
	assert_null(strstr(c.sha256, "stale"));
}

static void a_username_is_cut_to_size(void **state)
{
	struct fixture *f = *state;
	struct digest_challenge c = challenged(f, T0);
	char text[2048], out[5];
	int n = snprintf(
		text, sizeof text,
		"INVITE " URI " SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:1@a>;tag=1\r\n"
		"To: <sip:x@y>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n",
		proof(f, c.md5, "annabel", "word"));
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);

	digest_username(sip_object(msg), out, sizeof out);
	assert_string_equal(out, "anna");
	msg_destroy(msg);
}

static void our_answer_names_what_was_asked(void **state)
{
	struct fixture *f = *state;
	msg_auth_t *au = sip_www_authenticate_make(
		f->home,
		"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, nonce=\"7ypf\","
		" opaque=\"FQhe\"");
	const char *answer = digest_answer(f->home, au, "Mu\"fasa", "Circle of Life", "INVITE", URI);

	assert_non_null(strstr(answer, "username=\"Mu\\\"fasa\""));
	assert_non_null(strstr(answer, "realm=\"http-auth@example.org\""));
	assert_non_null(strstr(answer, "nonce=\"7ypf\""));
	assert_non_null(strstr(answer, "uri=\"" URI "\""));
	assert_non_null(strstr(answer, "algorithm=SHA-256"));
	assert_non_null(strstr(answer, "qop=auth, nc=00000001, cnonce=\""));
	assert_non_null(strstr(answer, "opaque=\"FQhe\""));
	au = sip_www_authenticate_make(f->home, "Digest realm=\"a\", nonce=\"b\", algorithm=AKAv1-MD5");
	assert_null(digest_answer(f->home, au, "ann", "word", "INVITE", URI));
	au = sip_www_authenticate_make(f->home, "Digest realm=\"a\", nonce=\"b\"");
	answer = digest_answer(f->home, au, "ann", "word", "INVITE", URI);
	assert_non_null(strstr(answer, "algorithm=MD5"));
	assert_null(strstr(answer, "qop"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_algorithms_are_good),
		TEST(none_are_challenged_and_wrong_ones_are_bad),
		TEST(an_unknown_user_cannot_come_in_with_an_empty_password),
		TEST(a_nonce_lives_for_its_time_and_no_longer),
		TEST(a_nonce_serves_each_count_once_as_long_as_it_lives),
		TEST(a_clock_that_steps_back_frees_no_nonce),
		TEST(a_nonce_is_bound_to_its_address_and_its_guard),
		TEST(a_nonce_cannot_be_made_younger),
		TEST(thousands_a_minute_have_room),
		TEST(a_stale_challenge_says_so),
		TEST(a_username_is_cut_to_size),
		TEST(our_answer_names_what_was_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
