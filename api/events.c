/* SPDX-License-Identifier: Apache-2.0 */
#include "api/events.h"

#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/live.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/redis.h"

#define LISTENER_BUFFER_MAX (1024 * 1024)
#define KEEPALIVE_US (15 * 1000000LL)
#define SILENCE_US (2 * KEEPALIVE_US + 1000000)
#define WAKE_MS 500
#define NODES_US (1000000LL)	   /* how often it is looked which nodes live */
#define SEATS_US (1000000LL)	   /* how often it is looked whose peer has gone */
#define ENDING_US (30 * 1000000LL) /* so long a stream that ends may take to be read to its end */
#define KERNEL_BYTES (256 * 1024)  /* of a stream: the kernel alone would take megabytes for a slow one */
#define BLOCK_BYTES 8192
#define REDIS_TIMEOUT_MS 2000

struct listener {
	struct events *events;
	struct listener *next, **link;
	struct events_seat seat;
	struct buf waiting;
	size_t sent; /* of waiting */
	bool suspended, ending, cut;
};

struct events {
	pthread_mutex_t lock; /* guards the listeners and all that is in them */
	pthread_t thread;
	struct redis *redis, *look; /* that hears; that asks which nodes live */
	json_t *living;		    /* nodes that lived when it was last asked, by name; the thread's own */
	struct listener *first;
	int listeners;
	bool heard; /* subscribed now */
	bool closed;
	_Atomic bool stopping;
	int64_t keepalive_us; /* when listeners and Redis are next told that we are there */
	int64_t heard_us;     /* when Redis last said anything */
	int64_t nodes_us;     /* when it is next asked which nodes live */
	int64_t seats_us;     /* when it is next looked whose peer has gone */
};

/* Under the lock: something is there to be sent (or the end). */
static void wake(struct listener *l)
{
	if (!l->suspended)
		return;
	l->suspended = false;
	MHD_resume_connection(l->seat.connection);
}

/* Under the lock: what waits may still be read, nothing more comes. */
static void end(struct listener *l)
{
	if (!l->ending)
		deadline_set(l->seat.deadline, ENDING_US);
	l->ending = true;
	wake(l);
}

/* Under the lock: it reads too slowly, or not at all. Its connection is shut down, what waits is let go. */
static void cut(struct listener *l)
{
	l->ending = l->cut = true;
	buf_free(&l->waiting);
	l->waiting = (struct buf){0};
	l->sent = 0;
	deadline_abort(l->seat.deadline);
	wake(l);
}

static void tell_all(struct events *e, const char *text)
{
	size_t len = strlen(text);

	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->first; l != NULL; l = l->next) {
		if (l->ending)
			continue;
		if (l->waiting.len - l->sent + len > LISTENER_BUFFER_MAX) {
			cut(l);
			continue;
		}
		buf_append(&l->waiting, text, len);
		wake(l);
	}
	pthread_mutex_unlock(&e->lock);
}

static void end_all(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->first; l != NULL; l = l->next)
		end(l);
	pthread_mutex_unlock(&e->lock);
}

static void unheard(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->heard = false;
	pthread_mutex_unlock(&e->lock);
	end_all(e);
}

char *events_text(const char *message, size_t len)
{
	json_t *list = json_loadb(message, len, 0, NULL), *one;
	struct buf out = {0};
	size_t i;

	if (!json_is_array(list)) {
		json_decref(list);
		return NULL;
	}
	json_array_foreach(list, i, one)
	{
		const char *event = json_string_value(json_object_get(one, "event")), *key;
		json_t *call = json_object_get(one, "call"), *value;
		void *next;
		if (event == NULL || !json_is_object(call) || strpbrk(event, "\r\n") != NULL)
			continue;
		json_object_foreach_safe(call, next, key, value)
		{
			if (key[0] == '_') /* between nodes only */
				json_object_del(call, key);
		}
		char *data = json_dumps(call, JSON_COMPACT);
		if (data != NULL)
			buf_printf(&out, "event: %s\ndata: %s\n\n", event, data);
		free(data);
	}
	json_decref(list);
	return buf_steal(&out);
}

static void heard_reply(struct events *e, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 || reply->element[0]->type != REDIS_REPLY_STRING ||
	    strcmp(reply->element[0]->str, "message") != 0 || reply->element[2]->type != REDIS_REPLY_STRING)
		return;
	char *text = events_text(reply->element[2]->str, (size_t)reply->element[2]->len);
	if (text != NULL && *text != '\0')
		tell_all(e, text);
	free(text);
}

/* False if Redis has been silent for too long: a PING goes with each round, so that it would have answered. */
static bool keepalive(struct events *e, redisContext *c)
{
	int64_t now = clock_mono_us();
	int done = 0;

	if (now < e->keepalive_us)
		return true;
	e->keepalive_us = now + KEEPALIVE_US;
	tell_all(e, ": still here\n\n");
	if (now - e->heard_us > SILENCE_US || redisAppendCommand(c, "PING") != REDIS_OK)
		return false;
	while (!done)
		if (redisBufferWrite(c, &done) != REDIS_OK)
			return false;
	return true;
}

static const char *text_of(const json_t *node, const char *key)
{
	const char *text = json_string_value(json_object_get(node, key));

	return text != NULL ? text : "";
}

/* A node that lived may have died with its calls: it is silent, or another process has its name. One that is no longer
 * listed has stopped in order and told each call's end. */
static bool died(const json_t *before, const json_t *now)
{
	return now != NULL &&
	       (!live_node_lives(now) || strcmp(text_of(before, "started_at"), text_of(now, "started_at")) != 0);
}

/* seen: all nodes that Redis knows. Has one died that lived when we last looked? */
static void nodes_compare(struct events *e, const json_t *seen)
{
	json_t *living = json_object(), *node;
	char quoted[200];
	size_t i;

	json_array_foreach(seen, i, node)
	{
		const char *name = text_of(node, "node");
		const json_t *before = json_object_get(e->living, name);
		if (before != NULL && died(before, node)) {
			tell_all(e, ": a node died: read /v1/calls again\n\n");
			end_all(e);
			log_event(LOG_LEVEL_INFO, "event streams ended: a node died", "node=%s",
				  log_quote(name, quoted, sizeof(quoted)));
		}
		if (live_node_lives(node))
			json_object_set(living, name, node);
	}
	json_decref(e->living);
	e->living = living;
}

/* Has a node died? Then the end of its calls was never told, and all streams end. False if Redis does not say. */
static bool nodes_look(struct events *e)
{
	int64_t now_us = clock_mono_us();
	struct status st = {0};
	json_t *seen = NULL;

	if (now_us < e->nodes_us)
		return true;
	e->nodes_us = now_us + NODES_US;
	int err = live_nodes_seen(e->look, &seen, &st);
	if (err != 0) { /* a connection that has died unnoticed? */
		redis_drop(e->look);
		err = live_nodes_seen(e->look, &seen, &st);
	}
	if (err == 0)
		nodes_compare(e, seen);
	json_decref(seen);
	return err == 0;
}

/* Who has closed its end gives up its seat now; else only the next line that cannot be sent would tell. */
static void seats_look(struct events *e)
{
	int64_t now_us = clock_mono_us();

	if (now_us < e->seats_us)
		return;
	e->seats_us = now_us + SEATS_US;
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->first; l != NULL; l = l->next) {
		if (!l->cut && deadline_gone(l->seat.deadline))
			cut(l);
	}
	pthread_mutex_unlock(&e->lock);
}

/* Read what Redis publishes until it is gone or we stop. */
static void hear(struct events *e, redisContext *c)
{
	e->heard_us = clock_mono_us();
	while (!e->stopping) {
		struct pollfd p = {.fd = c->fd, .events = POLLIN};
		int n = poll(&p, 1, WAKE_MS);
		seats_look(e);
		if (!keepalive(e, c) || !nodes_look(e))
			return;
		if (n <= 0)
			continue;
		if (redisBufferRead(c) != REDIS_OK)
			return;
		e->heard_us = clock_mono_us();
		for (;;) {
			void *reply = NULL;
			if (redisReaderGetReply(c->reader, &reply) != REDIS_OK)
				return;
			if (reply == NULL)
				break;
			heard_reply(e, reply);
			freeReplyObject(reply);
		}
	}
}

static bool subscribe(struct events *e)
{
	redisReply *reply = NULL;
	struct status st = {0};

	if (redis_command(e->redis, &reply, &st, "SUBSCRIBE %s", LIVE_EVENTS_CHANNEL) != 0)
		return false;
	freeReplyObject(reply);
	pthread_mutex_lock(&e->lock);
	e->heard = !e->closed;
	pthread_mutex_unlock(&e->lock);
	return true;
}

static void *listen_thread(void *arg)
{
	struct events *e = arg;

	while (!e->stopping) {
		redisContext *c = subscribe(e) ? redis_raw(e->redis) : NULL;
		if (c != NULL) {
			hear(e, c);
			redis_drop(e->redis);
			unheard(e);
		} else {
			poll(NULL, 0, WAKE_MS);
		}
	}
	return NULL;
}

struct events *events_start(const char *redis_url)
{
	struct events *e = xcalloc(1, sizeof(*e));

	pthread_mutex_init(&e->lock, NULL);
	e->redis = redis_new(redis_url, REDIS_TIMEOUT_MS);
	e->look = redis_new(redis_url, REDIS_TIMEOUT_MS);
	if (pthread_create(&e->thread, NULL, listen_thread, e) != 0) {
		redis_free(&e->redis);
		redis_free(&e->look);
		pthread_mutex_destroy(&e->lock);
		free(e);
		return NULL;
	}
	return e;
}

void events_close(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->closed = true;
	pthread_mutex_unlock(&e->lock);
	e->stopping = true;
	pthread_join(e->thread, NULL);
	unheard(e);
}

void events_free(struct events **e)
{
	if (*e == NULL)
		return;
	redis_free(&(*e)->redis);
	redis_free(&(*e)->look);
	json_decref((*e)->living);
	pthread_mutex_destroy(&(*e)->lock);
	free(*e);
	*e = NULL;
}

/* libmicrohttpd asks for more: give what waits, end the stream, or sleep until there is something. */
static ssize_t stream_read(void *arg, uint64_t pos, char *out, size_t max)
{
	struct listener *l = arg;
	ssize_t n = 0;

	(void)pos;
	pthread_mutex_lock(&l->events->lock);
	size_t left = l->waiting.len - l->sent;
	if (left > 0) {
		n = (ssize_t)(left < max ? left : max);
		memcpy(out, l->waiting.text + l->sent, (size_t)n);
		l->sent += (size_t)n;
		if (l->sent == l->waiting.len) {
			buf_reset(&l->waiting);
			l->sent = 0;
		}
	} else if (l->ending) {
		n = l->cut ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
	} else {
		l->suspended = true;
		MHD_suspend_connection(l->seat.connection);
	}
	pthread_mutex_unlock(&l->events->lock);
	return n;
}

static void stream_free(void *arg)
{
	struct listener *l = arg;
	struct events *e = l->events;

	pthread_mutex_lock(&e->lock);
	*l->link = l->next;
	if (l->next != NULL)
		l->next->link = l->link;
	e->listeners--;
	pthread_mutex_unlock(&e->lock);
	buf_free(&l->waiting);
	free(l);
}

/* Under the lock. */
static enum events_refusal room(const struct events *e, int64_t key_id)
{
	int own = 0;

	for (const struct listener *l = e->first; l != NULL; l = l->next)
		own += l->seat.key_id == key_id;
	return !e->heard			    ? EVENTS_AWAY
	       : e->listeners >= EVENTS_STREAMS_MAX ? EVENTS_FULL
	       : own >= EVENTS_STREAMS_OF_KEY_MAX   ? EVENTS_FULL_FOR_KEY
						    : EVENTS_GRANTED;
}

struct MHD_Response *events_response(struct events *e, const struct events_seat *seat, enum events_refusal *why)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->events = e;
	l->seat = *seat;
	deadline_narrow(seat->deadline, KERNEL_BYTES);
	buf_puts(&l->waiting, "retry: 2000\n: live calls follow\n\n");
	pthread_mutex_lock(&e->lock);
	*why = room(e, seat->key_id);
	if (*why == EVENTS_GRANTED) {
		l->next = e->first;
		l->link = &e->first;
		if (l->next != NULL)
			l->next->link = &l->next;
		e->first = l;
		e->listeners++;
	}
	pthread_mutex_unlock(&e->lock);
	if (*why != EVENTS_GRANTED) {
		buf_free(&l->waiting);
		free(l);
		return NULL;
	}
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read, l, stream_free);
	if (response == NULL) {
		stream_free(l);
		*why = EVENTS_FULL;
	}
	return response;
}

void events_leave(struct events *e, struct MHD_Connection *connection)
{
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->first; l != NULL; l = l->next) {
		if (l->seat.connection == connection)
			l->seat.deadline = NULL;
	}
	pthread_mutex_unlock(&e->lock);
}

char *events_key_list(struct events *e)
{
	struct buf out = {0};

	pthread_mutex_lock(&e->lock);
	for (const struct listener *l = e->first; l != NULL; l = l->next)
		buf_printf(&out, "%s%" PRId64, out.len > 0 ? "," : "{", l->seat.key_id);
	pthread_mutex_unlock(&e->lock);
	if (out.len == 0)
		return NULL;
	buf_putc(&out, '}');
	return buf_steal(&out);
}

void events_key_gone(struct events *e, int64_t key_id)
{
	pthread_mutex_lock(&e->lock);
	for (struct listener *l = e->first; l != NULL; l = l->next) {
		if (l->seat.key_id == key_id)
			end(l);
	}
	pthread_mutex_unlock(&e->lock);
}

int events_listeners(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	int n = e->listeners;
	pthread_mutex_unlock(&e->lock);
	return n;
}
