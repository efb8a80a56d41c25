/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/registrar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "switch/bindings.h"
#include "switch/cause.h"
#include "switch/node.h"
#include "switch/vendors.h"
#include "switch/worker.h"

struct wish { /* what a REGISTER asks for */
	struct bindings_contact contact[BINDINGS_MAX];
	int n;
	bool all; /* Contact: * */
};

static long expires_asked(const sip_t *sip, const sip_contact_t *m)
{
	if (m && m->m_expires && m->m_expires[0] >= '0' && m->m_expires[0] <= '9')
		return strtol(m->m_expires, NULL, 10);
	return sip->sip_expires ? (long)sip->sip_expires->ex_delta : REGISTRAR_MAX_S;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (strchr("<>\"", *text) || (unsigned char)*text <= ' ' || *text == 127)
			return false;
	return true;
}

/* Where a call to it is sent. */
static void reach(struct bindings_contact *c, const struct peer *peer)
{
	bool there = strcmp(c->uri_host, peer->host) == 0;

	snprintf(c->host, sizeof c->host, "%s", peer->host);
	c->transport = peer->transport;
	c->port = !there ? peer->port : c->uri_port ? c->uri_port : peer->transport == TRUNK_TLS ? 5061 : 5060;
}

static bool contact_read(const sip_contact_t *m, const struct peer *peer, struct bindings_contact *c)
{
	const url_t *url = m->m_url;
	su_home_t home[1] = {SU_HOME_INIT(home)};

	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host || !url->url_host[0])
		return false;
	su_home_init(home);
	const char *uri = url_as_string(home, url);
	bool fits = uri && is_plain(uri) && strlen(uri) < sizeof c->uri && strlen(url->url_host) < sizeof c->uri_host;
	if (fits) {
		snprintf(c->uri, sizeof c->uri, "%s", uri);
		snprintf(c->uri_host, sizeof c->uri_host, "%s", url->url_host);
		c->uri_port = url->url_port ? atoi(url->url_port) : 0;
		reach(c, peer);
	}
	su_home_deinit(home);
	return fits && c->uri_port >= 0 && c->uri_port < 65536;
}

/* returns 0, or the code to refuse it with */
static int wish_read(const sip_t *sip, const struct peer *peer, int64_t wall_us, struct wish *wish)
{
	*wish = (struct wish){.n = 0};
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		if (m->m_url->url_type == url_any) { /* it stands alone, and says that all is to go */
			wish->all = true;
			return m->m_next || wish->n || !sip->sip_expires || sip->sip_expires->ex_delta ? 400 : 0;
		}
		if (wish->n == BINDINGS_MAX)
			return 403;
		struct bindings_contact *c = &wish->contact[wish->n++];
		if (!contact_read(m, peer, c))
			return 400;
		long asked = expires_asked(sip, m);
		if (asked > 0 && asked < REGISTRAR_MIN_S)
			return 423;
		c->gone = asked == 0;
		c->expires_us = wall_us + (asked < REGISTRAR_MAX_S ? asked : REGISTRAR_MAX_S) * 1000000LL;
	}
	return strlen(sip->sip_call_id->i_id) < sizeof wish->contact->call_id ? 0 : 400;
}

static void refuse(nta_incoming_t *irq, int status)
{
	nta_incoming_treply(irq, status, status == 423 ? sip_423_Interval_too_brief : cause_phrase(status),
			    TAG_IF(status == 423, SIPTAG_MIN_EXPIRES_STR("60")), TAG_END());
}

static void accept_with(nta_incoming_t *irq, const struct bindings_contact *c, int n, int64_t wall_us)
{
	struct buf list = {0};

	for (int i = 0; i < n; i++)
		buf_printf(&list, "%s<%s>;expires=%d", i ? ", " : "", c[i].uri,
			   (int)((c[i].expires_us - wall_us + 999999) / 1000000));
	nta_incoming_treply(irq, SIP_200_OK, TAG_IF(n, SIPTAG_CONTACT_STR(list.text)), TAG_END());
	buf_free(&list);
}

static void say(const struct trunk *t, const struct peer *peer, int before, int now)
{
	if (before == now)
		return;
	log_event(LOG_LEVEL_INFO, now > before ? "customer registered" : "customer unregistered",
		  "trunk=%" PRId64 " source=%s contacts=%d", t->id, peer->text, now);
}

void registrar_take(struct worker *w, msg_t *msg, sip_t *sip, const struct peer *peer, const struct trunk *trunk)
{
	nta_incoming_t *irq = nta_incoming_create(w->agent, NULL, msg, sip, TAG_END());
	struct bindings *b = w->node->bindings;
	struct bindings_contact list[BINDINGS_MAX];
	int64_t wall_us = clock_wall_us();
	struct wish wish;

	if (!irq)
		return;
	int refused = trunk->enabled && trunk->carrier->active ? wish_read(sip, peer, wall_us, &wish) : 403;
	int before = bindings_read(b, trunk->id, wall_us, list);
	if (!refused && (wish.n || wish.all) &&
	    bindings_change(b, trunk->id, wish.contact, wish.n, wish.all, sip->sip_call_id->i_id, sip->sip_cseq->cs_seq,
			    wall_us))
		refused = 500;
	if (refused) {
		refuse(irq, refused);
	} else {
		int now = bindings_read(b, trunk->id, wall_us, list);
		accept_with(irq, list, now, wall_us);
		say(trunk, peer, before, now);
		if (!before != !now)
			vendors_tell_bindings(w->node->vendors);
	}
	nta_incoming_destroy(irq);
}
