/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/parser.h"

#include <string.h>

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

const msg_mclass_t *parser_class(void)
{
	static struct msg_hclass_s request_class;
	static msg_mclass_t *made;

	if (made)
		return made;
	made = msg_mclass_clone(sip_default_mclass(), 0, 0);
	if (!made)
		return NULL;
	request_class = sip_request_class[0];
	request_class.hc_parse = request_parse;
	made->mc_request[0].hr_class = &request_class;
	return made;
}

bool parser_bad_uri(const sip_request_t *rq)
{
	return rq->rq_url->url_host && strcmp(rq->rq_url->url_host, bad_host) == 0;
}
