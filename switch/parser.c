/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/parser.h"

#include <stdlib.h>
#include <string.h>

#include <sofia-sip/msg_header.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/su_alloc.h>
#include <sofia-sip/url.h>

/* Stands for a URI that could not be read; the name is reserved never to exist (RFC 2606). */
static const char bad_host[] = "unreadable.invalid";

/* First the library's own parser. If it fails, the line may still have the shape "METHOD <something> SIP/2.0": then the
 * parts other than the URI are parsed again from a copy. */
static issize_t request_parse(su_home_t *home, msg_header_t *h, char *s, isize_t len)
{
	char *copy = su_strdup(home, s);

	if (!copy)
		return -1;
	issize_t r = sip_request_class->hc_parse(home, h, s, len);
	char *version = r < 0 ? strrchr(copy, ' ') : NULL;
	char *after_method = r < 0 ? strchr(copy, ' ') : NULL;
	if (!version || after_method == version)
		return r;
	char *again = su_sprintf(home, "%.*s sip:%s%s", (int)(after_method - copy), copy, bad_host, version);
	return again ? sip_request_class->hc_parse(home, h, again, strlen(again)) : -1;
}

/* Where a Via sends our answers decides what the library does with them: an answer that cannot be sent (to port 0, or
 * where maddr points) and then is acknowledged would stop the process by an assertion. maddr is for multicast, which we
 * don't do. */
static issize_t via_parse(su_home_t *home, msg_header_t *h, char *s, isize_t len)
{
	issize_t r = sip_via_class->hc_parse(home, h, s, len);

	for (sip_via_t *v = (sip_via_t *)h; r >= 0 && v; v = v->v_next) {
		if (v->v_maddr)
			msg_header_remove_param(v->v_common, "maddr");
		if (v->v_port && atoi(v->v_port) == 0)
			return -1;
	}
	return r;
}

/* Headers are parsed by `ours` from now on. Those that code makes still have the class `theirs`, and must be found by
 * it: it moves to the next free place, which the same search comes to. */
static bool class_replace(msg_mclass_t *mc, msg_hclass_t *theirs, msg_hclass_t *ours)
{
	int n = mc->mc_hash_size, at = 0, free_at;
	msg_href_t *const letters = (msg_href_t *)mc->mc_short;

	while (at < n && mc->mc_hash[at].hr_class != theirs)
		at++;
	if (at == n || mc->mc_hash_used + 2 >= n)
		return false;
	for (free_at = (at + 1) % n; mc->mc_hash[free_at].hr_class;)
		free_at = (free_at + 1) % n;
	mc->mc_hash[free_at] = mc->mc_hash[at];
	mc->mc_hash[at].hr_class = ours;
	mc->mc_hash_used++;
	for (int i = 0; letters && i <= 'z' - 'a'; i++)
		if (letters[i].hr_class == theirs)
			letters[i].hr_class = ours;
	return true;
}

const msg_mclass_t *parser_class(void)
{
	static struct msg_hclass_s request_class, via_class;
	static msg_mclass_t *made;

	if (made)
		return made;
	made = msg_mclass_clone(sip_default_mclass(), 0, 0);
	if (!made)
		return NULL;
	request_class = sip_request_class[0];
	request_class.hc_parse = request_parse;
	made->mc_request[0].hr_class = &request_class;
	via_class = sip_via_class[0];
	via_class.hc_parse = via_parse;
	if (!class_replace(made, sip_via_class, &via_class))
		return made = NULL;
	return made;
}

bool parser_bad_uri(const sip_request_t *rq)
{
	return rq->rq_url->url_host && strcmp(rq->rq_url->url_host, bad_host) == 0;
}
