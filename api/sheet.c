/* SPDX-License-Identifier: Apache-2.0 */
#include "api/sheet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/endpoint.h"
#include "api/pool.h"
#include "api/resource.h"
#include "api/service.h"
#include "lib/csv.h"
#include "lib/log.h"

#define SHEETS_MAX 32
#define SHEETS_OF_KEY_MAX 4
#define BLOCK_BYTES 32768

struct sheet { /* one that is being sent page by page */
	struct request *r;
	struct MHD_Connection *connection;
	size_t sent; /* of the answer's body */
	int place;   /* in `sending` */
};

static struct {
	pthread_mutex_t lock;
	int64_t key_id[SHEETS_MAX]; /* whose listing is being sent; 0: the place is free */
} sending = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A place for one more listing of this key, or -1. */
static int place_take(int64_t key_id)
{
	int place = -1, of_key = 0;

	pthread_mutex_lock(&sending.lock);
	for (int i = 0; i < SHEETS_MAX; i++) {
		of_key += sending.key_id[i] == key_id;
		if (sending.key_id[i] == 0)
			place = i;
	}
	if (of_key >= SHEETS_OF_KEY_MAX)
		place = -1;
	if (place >= 0)
		sending.key_id[place] = key_id;
	pthread_mutex_unlock(&sending.lock);
	return place;
}

static void place_free(int place)
{
	pthread_mutex_lock(&sending.lock);
	sending.key_id[place] = 0;
	pthread_mutex_unlock(&sending.lock);
}

/* Is this element of Accept the given type? "type/subtype;q=0.5": its weight in thousandths, else -1. */
static int weight_of(const char *element, size_t len, const char *type)
{
	size_t name = strcspn(element, ";, \t");
	const char *q;

	if (name > len || strlen(type) != name || strncasecmp(element, type, name) != 0)
		return -1;
	for (q = element + name; q + 2 < element + len; q++)
		if ((*q == 'q' || *q == 'Q') && q[1] == '=' && (q[2] == '0' || q[2] == '1'))
			return (int)(strtod(q + 2, NULL) * 1000);
	return 1000;
}

static int accept_weight(const char *accept, const char *type)
{
	int best = -1;

	for (const char *at = accept; *at != '\0';) {
		at += strspn(at, ", \t");
		size_t len = strcspn(at, ",");
		int weight = weight_of(at, len, type);
		if (weight > best)
			best = weight;
		at += len;
	}
	return best;
}

bool sheet_wanted(const struct request *r, const char *accept)
{
	const char *format = request_param(r, "format");

	if (!(r->endpoint->flags & (ENDPOINT_LIST | ENDPOINT_WHOLE)))
		return false;
	if (format != NULL)
		return strcmp(format, "csv") == 0;
	return accept != NULL && accept_weight(accept, "text/csv") > 0 &&
	       accept_weight(accept, "text/csv") > accept_weight(accept, "application/json");
}

static void put_cell(struct buf *out, const json_t *value)
{
	if (value == NULL || json_is_null(value))
		return;
	if (json_is_string(value)) {
		csv_put_guarded(out, json_string_value(value));
		return;
	}
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
	csv_put(out, text);
	free(text);
}

/* item NULL: the header */
static void put_row(struct buf *out, const struct request *r, const json_t *item)
{
	const struct resource *res = r->endpoint->resource;
	unsigned hidden = r->sheet.hidden | FIELD_WRITE_ONLY | FIELD_ALONE | (request_is_bound(r) ? FIELD_INTERNAL : 0);
	bool first = true;

	for (int i = 0; i < res->n; i++) {
		if (res->fields[i].flags & hidden)
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		if (item == NULL)
			buf_puts(out, res->fields[i].name);
		else
			put_cell(out, json_object_get(item, res->fields[i].name));
	}
	buf_putc(out, '\n');
}

void sheet_page(struct request *r)
{
	struct answer *a = &r->answer;
	const json_t *item;
	size_t i;

	if (a->status != 200)
		return;
	json_t *page = json_loadb(a->body.text, a->body.len, JSON_ALLOW_NUL, NULL);
	const json_t *items = json_object_get(page, "items");
	if (!json_is_array(items)) {
		log_event(LOG_LEVEL_ERROR, "a listing is no page", "path=%s", r->endpoint->path);
		request_problem(r, 500, "Something went wrong here; the log says what.");
		json_decref(page);
		return;
	}
	const char *next = json_string_value(json_object_get(page, "next_cursor"));
	next = r->sheet.one_page ? NULL : arena_strdup(r->arena, next);
	buf_reset(&a->body);
	if (r->sheet.next == NULL)
		put_row(&a->body, r, NULL);
	json_array_foreach(items, i, item) put_row(&a->body, r, item);
	json_decref(page);
	r->sheet.next = next;
	request_answer(r, 200, SHEET_TYPE);
	a->file_name = arena_printf(r->arena, "%s.csv", r->endpoint->resource->collection);
}

static void on_page(struct request *r)
{
	struct sheet *s = r->done_arg;

	s->sent = 0;
	MHD_resume_connection(s->connection);
}

/* libmicrohttpd asks for more: what is there of this page, or sleep until the next one is. */
static ssize_t sheet_read(void *arg, uint64_t pos, char *out, size_t max)
{
	struct sheet *s = arg;
	struct request *r = s->r;

	(void)pos;
	if (r->answer.status != 200) {
		log_event(LOG_LEVEL_WARN, "a listing was cut short", "path=%s status=%d", r->endpoint->path,
			  r->answer.status);
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	size_t left = r->answer.body.len - s->sent;
	if (left > 0) {
		size_t n = left < max ? left : max;
		memcpy(out, r->answer.body.text + s->sent, n);
		s->sent += n;
		return (ssize_t)n;
	}
	if (r->sheet.next == NULL)
		return MHD_CONTENT_READER_END_OF_STREAM;
	r->authorized = false; /* a key that was revoked meanwhile ends it */
	r->done = on_page;
	r->done_arg = s;
	MHD_suspend_connection(s->connection); /* first: the page may be there before this returns */
	if (pool_submit(r->service->pool, r) != 0) {
		request_problem(r, 503, "Too many requests wait; try again.");
		MHD_resume_connection(s->connection);
	}
	return 0;
}

static void sheet_free(void *arg)
{
	const struct sheet *s = arg;

	place_free(s->place);
	free(arg);
}

struct MHD_Response *sheet_response(struct request *r, struct MHD_Connection *connection)
{
	int place = place_take(r->caller.key_id);

	if (place < 0)
		return NULL;
	struct sheet *s = xcalloc(1, sizeof(*s));
	s->r = r;
	s->connection = connection;
	s->place = place;
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, sheet_read, s, sheet_free);
	if (response == NULL)
		sheet_free(s);
	return response;
}
