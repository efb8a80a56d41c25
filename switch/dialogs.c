/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/dialogs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/clock.h"

enum {
	BUCKETS = 1 << 14,
	TAGS_MAX = 16, /* early dialogs; what forks wider is not a call that a carrier sends */
};

struct dialog {
	struct dialog *next, *next_branch, *next_over;
	struct uuid id;
	int worker;
	struct call *call; /* NULL: over */
	char *caller;
	char *callee[TAGS_MAX];
	int callees;
	int answered; /* index of callee; -1: not yet */
	char *branch; /* NULL: not answered */
	int32_t session_s;
	int64_t over_us;
};

struct dialogs {
	pthread_mutex_t lock;
	struct dialog *by_id[BUCKETS], *by_branch[BUCKETS];
	struct dialog *over, **over_tail; /* in the order of their ends */
};

struct dialogs *dialogs_new(void)
{
	struct dialogs *d = xcalloc(1, sizeof *d);

	pthread_mutex_init(&d->lock, NULL);
	d->over_tail = &d->over;
	return d;
}

static void dialog_free(struct dialog *x)
{
	for (int i = 0; i < x->callees; i++)
		free(x->callee[i]);
	free(x->caller);
	free(x->branch);
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

static struct dialog **slot_of_branch(struct dialogs *d, const char *branch)
{
	uint32_t h = 2166136261u;

	for (const char *c = branch; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	struct dialog **x = &d->by_branch[h % BUCKETS];
	while (*x && strcmp((*x)->branch, branch) != 0)
		x = &(*x)->next_branch;
	return x;
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
		if (x->branch)
			*slot_of_branch(d, x->branch) = x->next_branch;
		dialog_free(x);
	}
}

void dialogs_begin(struct dialogs *d, const struct uuid *id, int worker, struct call *call, const char *tag)
{
	struct dialog *x = xcalloc(1, sizeof *x);

	*x = (struct dialog){.id = *id, .worker = worker, .call = call, .caller = xstrdup(tag), .answered = -1};
	pthread_mutex_lock(&d->lock);
	forget_old(d);
	*slot_of_id(d, id) = x;
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

/* The index of that callee's tag, learned if need be; -1: one too many. */
static int callee_of(struct dialog *x, const char *tag)
{
	for (int i = 0; i < x->callees; i++)
		if (strcasecmp(x->callee[i], tag) == 0)
			return i;
	if (x->callees == TAGS_MAX)
		return -1;
	x->callee[x->callees] = xstrdup(tag);
	return x->callees++;
}

void dialogs_learn(struct dialogs *d, const struct uuid *id, const char *tag)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x && tag)
		callee_of(x, tag);
	pthread_mutex_unlock(&d->lock);
}

void dialogs_answered(struct dialogs *d, const struct uuid *id, const char *tag, const char *branch)
{
	pthread_mutex_lock(&d->lock);
	struct dialog *x = *slot_of_id(d, id);
	if (x && !x->branch) {
		if (x->callees == TAGS_MAX) /* of all dialogs this one must be known */
			free(x->callee[--x->callees]);
		x->answered = callee_of(x, tag ? tag : "");
		x->branch = xstrdup(branch);
		*slot_of_branch(d, branch) = x;
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
	return strcasecmp(a ? a : "", b ? b : "") == 0;
}

void dialogs_find(struct dialogs *d, const struct uuid *id, const char *from_tag, const char *to_tag,
		  struct dialogs_found *out)
{
	*out = (struct dialogs_found){.side = DIALOGS_UNKNOWN};
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	if (x) {
		out->side = DIALOGS_STRANGER;
		out->worker = x->worker;
		out->session_s = x->session_s;
	}
	for (int i = 0; x && i < x->callees && out->side == DIALOGS_STRANGER; i++) {
		if (same(x->caller, from_tag) && same(x->callee[i], to_tag))
			out->side = DIALOGS_CALLER;
		else if (same(x->callee[i], from_tag) && same(x->caller, to_tag))
			out->side = DIALOGS_CALLEE;
		out->answered = x->call && i == x->answered; /* one that is over has no owner to be told */
	}
	pthread_mutex_unlock(&d->lock);
}

bool dialogs_answered_by(struct dialogs *d, const struct uuid *id, const char *tag, int *worker)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	bool yes = x && x->call && x->answered >= 0 && same(x->callee[x->answered], tag);
	if (yes)
		*worker = x->worker;
	pthread_mutex_unlock(&d->lock);
	return yes;
}

bool dialogs_branch(struct dialogs *d, const char *branch, struct uuid *id)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_branch(d, branch);
	if (x)
		*id = x->id;
	pthread_mutex_unlock(&d->lock);
	return x != NULL;
}

struct call *dialogs_call(struct dialogs *d, const struct uuid *id)
{
	pthread_mutex_lock(&d->lock);
	const struct dialog *x = *slot_of_id(d, id);
	struct call *call = x ? x->call : NULL;
	pthread_mutex_unlock(&d->lock);
	return call;
}
