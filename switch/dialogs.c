/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/dialogs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/clock.h"

enum {
	BUCKETS = 1 << 14,
	TAGS_MAX = 16, /* early dialogs; what forks wider is not a call that a carrier sends */
};

struct end {
	char *tag;
	struct way *way, *before;
};

struct invite { /* that was sent to a vendor */
	struct invite *next, *next_branch;
	struct dialog *dialog;
	char *branch, *uri;
};

struct dialog {
	struct dialog *next, *next_over;
	struct uuid id;
	int worker;
	struct call *call; /* NULL: over */
	int64_t trunk_id;
	struct end caller, callee[TAGS_MAX];
	int callees;
	int answered; /* index of callee; -1: not yet */
	struct invite *invites;
	const struct invite *answer; /* the one that was answered; NULL: not yet */
	int32_t session_s;
	int64_t over_us;
};

struct dialogs {
	pthread_mutex_t lock;
	struct dialog *by_id[BUCKETS];
	struct invite *by_branch[BUCKETS];
	struct dialog *over, **over_tail; /* in the order of their ends */
};

struct dialogs *dialogs_new(void)
{
	struct dialogs *d = xcalloc(1, sizeof *d);

	pthread_mutex_init(&d->lock, NULL);
	d->over_tail = &d->over;
	return d;
}

static void end_clear(struct end *e)
{
	free(e->tag);
	way_unref(&e->way);
	way_unref(&e->before);
}

/* way is taken. */
static void end_move(struct end *e, struct way *way)
{
	if (e->way && (!way || !way_hop(way) || way_same(e->way, way))) {
		way_unref(&way);
		return;
	}
	way_unref(&e->before);
	e->before = e->way;
	e->way = way;
}

static void dialog_free(struct dialog *x)
{
	for (int i = 0; i < x->callees; i++)
		end_clear(&x->callee[i]);
	end_clear(&x->caller);
	while (x->invites) {
		struct invite *i = x->invites;
		x->invites = i->next;
		free(i->branch);
		free(i->uri);
		free(i);
	}
	free(x);
}

void dialogs_free(struct dialogs **pd)
{
	struct dialogs *d = *pd;

	if (!d)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (d->by_id[i]) {
			struct dialog *x = d->by_id[i];
			d->by_id[i] = x->next;
			dialog_free(x);
		}
	pthread_mutex_destroy(&d->lock);
	free(d);
	*pd = NULL;
}

static struct dialog **slot_of_id(struct dialogs *d, const struct uuid *id)
{
	uint32_t random; /* the last bytes of a UUIDv7 are */

	memcpy(&random, id->byte + 12, sizeof random);
	struct dialog **x = &d->by_id[random % BUCKETS];
	while (*x && memcmp(&(*x)->id, id, sizeof *id) != 0)
		x = &(*x)->next;
	return x;
}

static struct invite **slot_of_branch(struct dialogs *d, const char *branch)
{
	uint32_t h = 2166136261u;

	for (const char *c = branch; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	struct invite **i = &d->by_branch[h % BUCKETS];
	while (*i && strcmp((*i)->branch, branch) != 0)
		i = &(*i)->next_branch;
	return i;
}

static void forget_old(struct dialogs *d)
{
	int64_t now_us = clock_mono_us();

	while (d->over && now_us - d->over->over_us > DIALOGS_LINGER_US) {
		struct dialog *x = d->over;
		d->over = x->next_over;
		if (!d->over)
			d->over_tail = &d->over;
		*slot_of_id(d, &x->id) = x->next;
		for (struct invite *i = x->invites; i; i = i->next)
			*slot_of_branch(d, i->branch) = i->next_branch;
		dialog_free(x);
	}
}

void dialogs_begin(struct dialogs *d, const struct dialogs_call *c)
{
	struct dialog *x = xcalloc(1, sizeof *x);

	*x = (struct dialog){
		.id = c->id,
		.worker = c->worker,
		.call = c->call,
		.trunk_id = c->trunk_id,
		.caller = {.tag = xstrdup(c->tag), .way = c->way},
		.answered = -1,
	};
	pthread_mutex_lock(&d->lock);
	forget_old(d);
	*slot_of_id(d, &c->id) = x;
	pthread_mutex_unlock(&d->lock);
}

void dialogs_wish(struct dialogs *d, const struct uuid *id, int32_t session_s)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x)
		x->session_s = session_s;
	pthread_mutex_unlock(&d->lock);
}

/* The index of that callee's tag; -1: not known. */
static int callee_of(const struct dialog *x, const char *tag)
{
	for (int i = 0; i < x->callees; i++)
		if (strcmp(x->callee[i].tag, tag) == 0)
			return i;
	return -1;
}

/* The same, learned if need be; -1: one too many. */
static int callee_new(struct dialog *x, const char *tag)
{
	int i = callee_of(x, tag);

	if (i >= 0 || x->callees == TAGS_MAX)
		return i;
	x->callee[x->callees].tag = xstrdup(tag);
	return x->callees++;
}

void dialogs_learn(struct dialogs *d, const struct uuid *id, const char *tag, struct way *way)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	int i = x && tag ? callee_new(x, tag) : -1;
	if (i >= 0) {
		end_move(&x->callee[i], way);
		way = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	way_unref(&way);
}

void dialogs_moved(struct dialogs *d, const struct uuid *id, const char *tag, enum dialogs_side end, struct way *way)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	int i = x ? callee_of(x, tag) : -1;
	if (i >= 0) {
		end_move(end == DIALOGS_CALLER ? &x->caller : &x->callee[i], way);
		way = NULL;
	}
	pthread_mutex_unlock(&d->lock);
	way_unref(&way);
}

void dialogs_sent(struct dialogs *d, const struct uuid *id, const char *branch, const char *uri)
{
	struct invite *i = xcalloc(1, sizeof *i);

	*i = (struct invite){.branch = xstrdup(branch), .uri = xstrdup(uri)};
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x) {
		i->dialog = x;
		i->next = x->invites;
		x->invites = i;
		*slot_of_branch(d, branch) = i;
	}
	pthread_mutex_unlock(&d->lock);
	if (x)
		return;
	free(i->branch);
	free(i->uri);
	free(i);
}

static void drop_last(struct dialog *x)
{
	end_clear(&x->callee[--x->callees]);
	x->callee[x->callees] = (struct end){0};
}

void dialogs_answered(struct dialogs *d, const struct uuid *id, const char *tag, const char *branch)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x && !x->answer) {
		if (callee_of(x, tag ? tag : "") < 0 &&
		    x->callees == TAGS_MAX) /* of all dialogs this one must be known */
			drop_last(x);
		x->answered = callee_new(x, tag ? tag : "");
		x->answer = *slot_of_branch(d, branch);
	}
	pthread_mutex_unlock(&d->lock);
}

void dialogs_end(struct dialogs *d, const struct uuid *id)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x && x->call) {
		x->call = NULL;
		x->over_us = clock_mono_us();
		*d->over_tail = x;
		d->over_tail = &x->next_over;
	}
	forget_old(d);
	pthread_mutex_unlock(&d->lock);
}

static bool same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

static void found_set(struct dialogs_found *out, enum dialogs_side side, const struct end *from, const struct end *to)
{
	out->side = side;
	out->from = way_ref(from->way);
	out->to = way_ref(to->way);
	out->to_before = way_ref(to->before);
}

void dialogs_find(struct dialogs *d, const struct uuid *id, const char *from_tag, const char *to_tag,
		  struct dialogs_found *out)
{
	*out = (struct dialogs_found){.side = DIALOGS_UNKNOWN};
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	if (x) {
		*out = (struct dialogs_found){.side = DIALOGS_STRANGER,
					      .worker = x->worker,
					      .over = !x->call,
					      .session_s = x->session_s,
					      .trunk_id = x->trunk_id};
	}
	for (int i = 0; x && i < x->callees && out->side == DIALOGS_STRANGER; i++) {
		if (same(x->caller.tag, from_tag) && same(x->callee[i].tag, to_tag))
			found_set(out, DIALOGS_CALLER, &x->caller, &x->callee[i]);
		else if (same(x->callee[i].tag, from_tag) && same(x->caller.tag, to_tag))
			found_set(out, DIALOGS_CALLEE, &x->callee[i], &x->caller);
		out->answered = x->call && i == x->answered; /* one that is over has no owner to be told */
	}
	pthread_mutex_unlock(&d->lock);
}

void dialogs_found_drop(struct dialogs_found *found)
{
	way_unref(&found->from);
	way_unref(&found->to);
	way_unref(&found->to_before);
}

bool dialogs_answered_by(struct dialogs *d, const struct uuid *id, const char *tag, int *worker)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	bool yes = x && x->call && x->answered >= 0 && same(x->callee[x->answered].tag, tag);
	if (yes)
		*worker = x->worker;
	pthread_mutex_unlock(&d->lock);
	return yes;
}

bool dialogs_branch(struct dialogs *d, const char *branch, struct dialogs_invite *out)
{
	pthread_mutex_lock(&d->lock);
	const struct invite *i = *slot_of_branch(d, branch);
	if (i)
		*out = (struct dialogs_invite){
			.call = i->dialog->id, .answered = i->dialog->answer == i, .uri = xstrdup(i->uri)};
	pthread_mutex_unlock(&d->lock);
	return i != NULL;
}

bool dialogs_has_end(struct dialogs *d, const struct uuid *id, const char *address)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	bool has = x && way_comes_from(x->caller.way, address);
	for (int i = 0; x && i < x->callees && !has; i++)
		has = way_comes_from(x->callee[i].way, address);
	pthread_mutex_unlock(&d->lock);
	return has;
}

struct call *dialogs_call(struct dialogs *d, const struct uuid *id)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	struct call *call = x ? x->call : NULL;
	pthread_mutex_unlock(&d->lock);
	return call;
}
