/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/random.h"
#include "switch/dns.h"
#include "switch/node.h"
#include "switch/vendors.h"
#include "switch/worker.h"

enum { CALL_ID_CHARS = 24, TAG_CHARS = 12, UNAVAILABLE = 503 };

struct probe {
	struct probe *next;
	struct worker *worker;
	int64_t trunk_id;
	bool wanted;		      /* by the present snapshot */
	int64_t next_us, deadline_us; /* monotonic */
	nta_leg_t *leg;		      /* of the OPTIONS that is out; NULL: none */
	nta_outgoing_t *out;
	struct dns_question *question; /* where its name leads is being looked up */
};

struct probes {
	struct worker *worker;
	struct probe *list;
};

static void probe_end(struct probe *p)
{
	if (p->question)
		dns_drop(p->question);
	p->question = NULL;
	if (p->out)
		nta_outgoing_destroy(p->out);
	if (p->leg)
		nta_leg_destroy(p->leg);
	p->out = NULL;
	p->leg = NULL;
}

static void conclude(struct probe *p, bool alive, const char *why)
{
	probe_end(p);
	vendors_tell_probe(p->worker->node->vendors, p->trunk_id, alive, why);
}

static int on_answer(void *magic, nta_outgoing_t *out, sip_t const *sip)
{
	struct probe *p = magic;
	int status = nta_outgoing_status(out);

	if (status < 200)
		return 0;
	if (!sip || nta_sip_is_internal(sip))
		conclude(p, false, status == 408 ? "no answer" : "transport error");
	else
		conclude(p, status != UNAVAILABLE, "503 Service Unavailable");
	return 0;
}

/* Nobody has business inside the dialog that an OPTIONS does not make. */
static int on_request(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *irq, sip_t const *sip)
{
	return 481;
}

static bool options_send(struct probe *p, su_home_t *home, const struct worker_port *port, const char *uri)
{
	char call_id[CALL_ID_CHARS + 1], tag[TAG_CHARS + 1], branch[WORKER_BRANCH_MAX];
	sip_from_t *from = sip_from_make(home, su_sprintf(home, "<sip:tandem@%s>", port->host));
	sip_to_t *to = sip_to_make(home, su_sprintf(home, "<%s>", uri));

	if (!from || !to)
		return false;
	random_token(call_id, CALL_ID_CHARS);
	random_token(tag, TAG_CHARS);
	p->leg = nta_leg_tcreate(p->worker->agent, on_request, NULL, SIPTAG_FROM(from), SIPTAG_TO(to),
				 SIPTAG_CALL_ID_STR(call_id), TAG_END());
	if (!p->leg || !nta_leg_tag(p->leg, tag))
		return false;
	p->out = nta_outgoing_tcreate(p->leg, on_answer, p, (url_string_t *)uri, SIP_METHOD_OPTIONS,
				      (url_string_t *)uri, SIPTAG_CONTACT(port->contact), SIPTAG_MAX_FORWARDS_STR("70"),
				      SIPTAG_ACCEPT_STR("application/sdp"), TPTAG_IDENT(port->ident),
				      NTATAG_BRANCH_KEY(worker_branch(p->worker, branch)), TAG_END());
	return p->out != NULL;
}

static void probe_send(struct probe *p, const struct trunk *t, const struct dns_target *at)
{
	static const char *const parameter[] = {"", ";transport=tcp", ";transport=tls"};
	const struct worker_port *port =
		worker_port_for(p->worker, t, at->transport, at->host[0] == '[' ? AF_INET6 : AF_INET);
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	p->deadline_us = clock_mono_us() + t->no_response_timeout_ms * 1000; /* a slow name server's time is not its */
	if (!port || !options_send(p, home, port,
				   su_sprintf(home, "sip:%s:%d%s", at->host, at->port, parameter[port->transport])))
		conclude(p, false, "it could not be sent");
	su_home_deinit(home);
}

static void on_resolved(void *arg, const struct dns_answer *answer)
{
	struct probe *p = arg;
	const struct trunk *t = p->worker->snap ? snapshot_trunk(p->worker->snap, p->trunk_id) : NULL;

	p->question = NULL;
	if (!t)
		return; /* it went meanwhile */
	if (answer->n == 0)
		conclude(p, false, "its name leads nowhere");
	else
		probe_send(p, t, &answer->target[0]);
}

static void probe_begin(struct probe *p, const struct trunk *t)
{
	struct dns_target at = {.transport = t->transport == TRUNK_ANY ? TRUNK_UDP : t->transport};

	if (!dns_is_numeric(t->host)) {
		p->question = dns_ask(p->worker->dns, t->host, t->port, t->transport, on_resolved, p);
		return;
	}
	at.port = t->port ? t->port : at.transport == TRUNK_TLS ? 5061 : 5060;
	snprintf(at.host, sizeof at.host, strchr(t->host, ':') && t->host[0] != '[' ? "[%.60s]" : "%.62s", t->host);
	probe_send(p, t, &at);
}

/* ---- which, and when ---- */

static struct probe *probe_get(struct probes *all, const struct trunk *t, int64_t now_us)
{
	for (struct probe *p = all->list; p; p = p->next)
		if (p->trunk_id == t->id)
			return p;
	struct probe *p = xcalloc(1, sizeof *p);
	/* not all at once: the first comes within the interval, at most a second from now */
	int64_t spread_us = t->probe_interval_ms < 1000 ? t->probe_interval_ms * 1000 : 1000000;
	*p = (struct probe){.worker = all->worker,
			    .trunk_id = t->id,
			    .next = all->list,
			    .next_us = now_us + (int64_t)(random_u64() % (uint64_t)spread_us)};
	all->list = p;
	return p;
}

static void probes_drop_unwanted(struct probes *all)
{
	for (struct probe **at = &all->list; *at;) {
		struct probe *p = *at;
		if (p->wanted) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		probe_end(p);
		free(p);
	}
}

void probes_tick(struct probes *all)
{
	const struct snapshot *s = all->worker->snap;
	int64_t now_us = clock_mono_us();

	for (struct probe *p = all->list; p; p = p->next)
		p->wanted = false;
	for (size_t i = 0; s && i < snapshot_trunks(s); i++) {
		const struct trunk *t = snapshot_trunk_at(s, i);
		if (t->direction != TRUNK_EGRESS || !t->enabled || t->probe_interval_ms <= 0 || t->host[0] == '\0')
			continue;
		struct probe *p = probe_get(all, t, now_us);
		p->wanted = true;
		if (p->out && now_us >= p->deadline_us)
			conclude(p, false, "no answer");
		if (now_us < p->next_us)
			continue;
		p->next_us = now_us + t->probe_interval_ms * 1000;
		if (!p->out && !p->question)
			probe_begin(p, t);
	}
	probes_drop_unwanted(all);
}

struct probes *probes_new(struct worker *w)
{
	struct probes *all = xcalloc(1, sizeof *all);
	all->worker = w;
	return all;
}

void probes_free(struct probes **pp)
{
	struct probes *all = *pp;
	*pp = NULL;
	if (!all)
		return;
	for (struct probe *p = all->list; p; p = p->next)
		p->wanted = false;
	probes_drop_unwanted(all);
	free(all);
}
