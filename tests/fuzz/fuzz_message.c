/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_message.c - a SIP message from the wire: what we read of it before we know who sent it, and its SDP on the way
 * to the other side.
 */
#include <stdlib.h>
#include <string.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>

#include "switch/body.h"
#include "switch/digest.h"
#include "switch/leg.h"
#include "switch/parser.h"
#include "switch/peer.h"
#include "switch/refer.h"
#include "switch/worker.h"
#include "tests/fuzz/fuzz.h"

static const char *const names[] = {"PCMA", "G729", "opus/48000"};

/* After body_for nothing tells who made the SDP. */
static void mask_check(const char *text, size_t len)
{
	bool in_session = true;

	for (size_t at = 0; at < len;) {
		const char *line = text + at, *end = memchr(line, '\n', len - at);
		fuzz_must(end);
		size_t n = (size_t)(end - line) + 1;
		fuzz_must(n >= 3 && line[n - 2] == '\r');
		if (line[1] == '=') {
			in_session = in_session && line[0] != 'm';
			fuzz_must(line[0] != 'o' || strncmp(line, "o=- 7 ", 6) == 0);
			fuzz_must(line[0] != 's' || n == 5);
			fuzz_must(!in_session || !line[0] || !strchr("iuep", line[0]));
		}
		at += n;
	}
}

static void body_check(su_home_t *home, const sip_t *sip)
{
	struct worker_port port = {.host = "192.0.2.1"};
	struct leg to = {.port = &port, .sdp_id = 7};
	struct codecs list = {.name = names, .n = 3}, all = {0};
	sip_t copy;

	struct body masked = body_for(home, &to, sip);
	if (masked.payload && body_has_sdp(sip))
		mask_check(masked.payload->pl_data, masked.payload->pl_len);
	if (body_offer(&copy, home, sip, &list, &all) == 0 && body_has_sdp(&copy))
		fuzz_must(copy.sip_payload->pl_len <= 2 * sip->sip_payload->pl_len + 2); /* LF becomes CR LF */
	body_hides_sdp(sip);
}

/* What a REFER or NOTIFY becomes is whole lines of ours, and a body of one line or none. */
static void refer_check(su_home_t *home, const sip_t *sip)
{
	sip_contact_t *contact = sip_contact_make(home, "<sip:~wA@192.0.2.1:5060>");
	struct worker_port port = {.host = "192.0.2.1", .contact = contact};
	struct refer refer = {.allowed = true, .subscription = {{.live = true, .asked = 5, .sent = 7}}};
	struct leg from = {.port = &port, .refer = refer}, to = {.port = &port, .refer = refer};
	sip_method_t method = sip->sip_request->rq_method;
	sip_t copy = *sip;
	int lines = 0;

	if ((method != sip_method_refer && method != sip_method_notify) || refer_refusal(&from.refer, sip))
		return;
	char *text = refer_lines(home, &from, &to, sip);
	fuzz_must(text != NULL);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	fuzz_must(lines == (method == sip_method_refer ? 1 : 2));
	refer_body(&copy, home);
	fuzz_must(!copy.sip_payload || (method == sip_method_notify && copy.sip_payload->pl_len < 80));
}

static void message_read(struct digest_guard *guard, msg_t *msg)
{
	sip_t *sip = sip_object(msg);
	char called[NUMBER_MAX], calling[NUMBER_MAX], rn[NUMBER_MAX], user[NUMBER_MAX];

	if (!sip || !sip->sip_request)
		return;
	parser_bad_uri(sip->sip_request);
	peer_called(sip, called);
	fuzz_must(strlen(called) < NUMBER_MAX);
	if (peer_ported(sip, rn))
		fuzz_must(strspn(rn, "0123456789") == strlen(rn));
	if (sip->sip_from) {
		peer_calling(sip, true, calling);
		fuzz_must(strlen(calling) < NUMBER_MAX);
		peer_calling(sip, false, calling);
	}
	peer_private(sip);
	peer_unsupported(msg_home(msg), sip, false);
	peer_unsupported_by_proxy(msg_home(msg), sip);
	digest_username(sip, user, sizeof user);
	fuzz_must(digest_check(guard, sip, "192.0.2.7", "secret", 1767225600000000) != DIGEST_GOOD);
	body_check(msg_home(msg), sip);
	refer_check(msg_home(msg), sip);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct digest_guard *guard;

	if (!guard)
		guard = digest_guard_new();
	if (len == 0 || len > 65535)
		return 0;
	msg_t *msg = msg_make(parser_class(), 0, bytes, (ssize_t)len);
	if (msg)
		message_read(guard, msg);
	msg_destroy(msg);
	return 0;
}
