/* SPDX-License-Identifier: Apache-2.0 */
/* deck_build.c - from rows to a deck image: intern what repeats, sort, lay out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "routing/deck_priv.h"
#include "routing/schedule.h"

#define PREFIX_MAX DIGITS_MAX

struct build_row {
	unsigned __int128 key; /* nibbles of the prefix, digit + 1, from the left */
	uint32_t price_low, destination, kind;
};

struct intern { /* distinct items of one size, numbered in the order of their arrival */
	uint8_t *item;
	size_t size;
	uint32_t n, capacity;
	uint32_t *slot; /* index + 1 */
	uint32_t slots;
};

struct deck_builder {
	struct deck_words words;
	struct build_row *row;
	size_t n_rows, capacity;
	struct intern kinds, texts; /* texts: offsets into `text` */
	struct buf text, schedule_text;
	struct intern schedules; /* the JSON's offset in schedule_text, for a quick match of equal ones */
	struct image_schedule *schedule;
	struct image_window *window;
	struct image_zone *zone;
	char (*zone_name)[SCHEDULE_ZONE_MAX];
	struct image_transition *transition;
	uint32_t n_schedules, n_windows, n_zones, n_transitions;
	struct { /* of the last row: neighbours mostly share it */
		char destination[256];
		uint32_t at;
	} last;
};

/* ---- interning ---- */

static uint64_t hash_bytes(const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, its high bits stirred in at the end */
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h ^ h >> 29;
}

static void intern_grow(struct intern *t, uint64_t (*hash)(const void *owner, const void *item), const void *owner)
{
	uint32_t slots = t->slots == 0 ? 64 : t->slots * 2;
	uint32_t *slot = xcalloc(slots, sizeof *slot);
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t at = (uint32_t)hash(owner, t->item + i * t->size) & (slots - 1);
		while (slot[at] != 0)
			at = (at + 1) & (slots - 1);
		slot[at] = i + 1;
	}
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
}

static uint32_t intern_append(struct intern *t, const void *item)
{
	if (t->n == t->capacity) {
		t->capacity = t->capacity == 0 ? 32 : t->capacity * 2;
		t->item = xrealloc(t->item, t->capacity * t->size);
	}
	memcpy(t->item + t->n * t->size, item, t->size);
	return t->n++;
}

static uint64_t hash_item(const void *owner, const void *item)
{
	return hash_bytes(item, ((const struct intern *)owner)->size);
}

/* The number of an item; its padding must be zero. */
static uint32_t intern_get(struct intern *t, const void *item)
{
	if (t->n >= t->slots / 2)
		intern_grow(t, hash_item, t);
	uint32_t at = (uint32_t)hash_bytes(item, t->size) & (t->slots - 1);
	for (; t->slot[at] != 0; at = (at + 1) & (t->slots - 1)) {
		uint32_t i = t->slot[at] - 1;
		if (memcmp(t->item + i * t->size, item, t->size) == 0)
			return i;
	}
	t->slot[at] = t->n + 1;
	return intern_append(t, item);
}

static uint64_t hash_text(const void *owner, const void *item)
{
	uint32_t offset;
	memcpy(&offset, item, sizeof offset);
	const char *text = ((const struct buf *)owner)->text + offset;
	return hash_bytes(text, strlen(text));
}

/* The number of a text in t; its bytes stand in b at the offset that is the item. */
static uint32_t intern_text(struct intern *t, struct buf *b, const char *text)
{
	size_t len = strlen(text);
	if (t->n >= t->slots / 2)
		intern_grow(t, hash_text, b);
	uint32_t at = (uint32_t)hash_bytes(text, len) & (t->slots - 1);
	for (; t->slot[at] != 0; at = (at + 1) & (t->slots - 1)) {
		uint32_t i = t->slot[at] - 1, offset;
		memcpy(&offset, t->item + i * t->size, sizeof offset);
		if (strcmp(b->text + offset, text) == 0)
			return i;
	}
	t->slot[at] = t->n + 1;
	uint32_t offset = (uint32_t)b->len;
	buf_append(b, text, len + 1);
	return intern_append(t, &offset);
}

static uint32_t text_offset(struct deck_builder *b, const char *text)
{
	uint32_t offset, i = intern_text(&b->texts, &b->text, text);
	memcpy(&offset, b->texts.item + i * b->texts.size, sizeof offset);
	return offset;
}

/* ---- schedules ---- */

static int zone_index(struct deck_builder *b, const char *name, uint16_t *out, struct status *st)
{
	struct zone_transition *t;
	size_t n;

	for (uint32_t i = 0; i < b->n_zones; i++)
		if (strcmp(b->zone_name[i], name) == 0) {
			*out = (uint16_t)i;
			return 0;
		}
	int err = zone_load(name, &t, &n, st);
	if (err != 0)
		return err;
	if (b->n_zones == UINT16_MAX) {
		free(t);
		return status_set(st, -EINVAL, "too many time zones in one deck");
	}
	b->zone = xrealloc(b->zone, (b->n_zones + 1) * sizeof *b->zone);
	b->zone_name = xrealloc(b->zone_name, (b->n_zones + 1) * sizeof *b->zone_name);
	b->transition = xrealloc(b->transition, (b->n_transitions + n) * sizeof *b->transition);
	b->zone[b->n_zones] = (struct image_zone){.first = b->n_transitions, .count = (uint32_t)n};
	snprintf(b->zone_name[b->n_zones], SCHEDULE_ZONE_MAX, "%s", name);
	for (size_t i = 0; i < n; i++)
		b->transition[b->n_transitions++] =
			(struct image_transition){.at_s = t[i].at_s, .offset_s = t[i].offset_s};
	free(t);
	*out = (uint16_t)b->n_zones++;
	return 0;
}

/* Equal JSON is parsed once. *out: index + 1 */
static int schedule_index(struct deck_builder *b, const char *json, uint32_t *out, struct status *st)
{
	struct schedule_window *w = NULL;
	size_t n;
	uint32_t known = b->schedules.n, i = intern_text(&b->schedules, &b->schedule_text, json);

	if (i < known) {
		*out = b->schedule[i].count == 0 ? 0 : i + 1;
		return *out != 0 ? 0 : status_set(st, -EINVAL, "schedule is not usable");
	}
	b->schedule = xrealloc(b->schedule, (i + 1) * sizeof *b->schedule);
	b->schedule[i] = (struct image_schedule){.first = b->n_windows, .count = 0}; /* not usable until all is well */
	b->n_schedules = i + 1;
	int err = schedule_parse(json, &w, &n, st);
	if (err != 0)
		return err;
	uint32_t first = b->n_windows;
	b->window = xrealloc(b->window, (b->n_windows + n) * sizeof *b->window);
	for (size_t at = 0; at < n && err == 0; at++) {
		struct image_window image = {.days = w[at].days, .from_min = w[at].from_min, .to_min = w[at].to_min};
		err = zone_index(b, w[at].zone, &image.zone, st);
		b->window[first + at] = image;
	}
	free(w);
	if (err != 0)
		return -EINVAL;
	b->n_windows += (uint32_t)n;
	b->schedule[i].count = (uint32_t)n;
	*out = i + 1;
	return 0;
}

/* ---- rows ---- */

struct deck_builder *deck_builder_new(const struct deck_words *words)
{
	struct deck_builder *b = xcalloc(1, sizeof *b);
	b->words = *words;
	b->words.currency[3] = '\0';
	b->kinds.size = sizeof(struct image_kind);
	b->texts.size = b->schedules.size = sizeof(uint32_t);
	(void)text_offset(b, ""); /* offset 0 is the empty text */
	return b;
}

void deck_builder_free(struct deck_builder **bp)
{
	struct deck_builder *b = *bp;
	*bp = NULL;
	if (b == NULL)
		return;
	struct intern *all[] = {&b->kinds, &b->texts, &b->schedules};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		free(all[i]->item);
		free(all[i]->slot);
	}
	buf_free(&b->text);
	buf_free(&b->schedule_text);
	free(b->row);
	free(b->schedule);
	free(b->window);
	free(b->zone);
	free(b->zone_name);
	free(b->transition);
	free(b);
}

static bool prefix_key(const char *prefix, unsigned __int128 *key)
{
	unsigned int n = 0;
	*key = 0;
	for (; prefix[n] != '\0'; n++) {
		if (n == PREFIX_MAX || prefix[n] < '0' || prefix[n] > '9')
			return false;
		*key |= (unsigned __int128)(unsigned int)(prefix[n] - '0' + 1) << (4 * (PREFIX_MAX - 1 - n));
	}
	return n > 0;
}

static int row_check(const struct deck_row *row, struct status *st)
{
	const char *why = NULL;
	if (row->initial_s < 0)
		why = "initial is negative";
	else if (row->increment_s < 1)
		why = "increment is less than 1";
	else if (row->grace_s < 0)
		why = "grace is negative";
	else if (row->origin_prefix != NULL && row->origin_prefix[0] != '\0' &&
		 (!digits_only(row->origin_prefix) || strlen(row->origin_prefix) > DIGITS_MAX))
		why = "origin prefix is not 1 to 32 digits";
	return why == NULL ? 0 : status_set(st, -EINVAL, "prefix %s: %s", row->prefix, why);
}

static uint32_t destination_offset(struct deck_builder *b, const char *destination)
{
	if (destination == NULL || destination[0] == '\0')
		return 0;
	if (strcmp(destination, b->last.destination) == 0)
		return b->last.at;
	uint32_t at = text_offset(b, destination);
	if (strlen(destination) < sizeof b->last.destination) {
		strcpy(b->last.destination, destination);
		b->last.at = at;
	}
	return at;
}

int deck_builder_add(struct deck_builder *b, const struct deck_row *row, struct status *st)
{
	struct build_row out;
	struct image_kind kind;

	if (!prefix_key(row->prefix, &out.key))
		return status_set(st, -EINVAL, "prefix \"%.40s\" is not 1 to %d digits", row->prefix, PREFIX_MAX);
	int err = row_check(row, st);
	if (err != 0)
		return err;
	if (b->n_rows == DECK_RATES_MAX || b->text.len > UINT32_MAX / 2)
		return status_set(st, -EINVAL, "prefix %s: the deck is full", row->prefix);

	memset(&kind, 0, sizeof kind);
	if (row->schedule != NULL) {
		struct status why;
		if (schedule_index(b, row->schedule, &kind.schedule, &why) != 0)
			return status_set(st, -EINVAL, "prefix %s: %.400s", row->prefix, why.text);
	}
	out.price_low = (uint32_t)(uint64_t)row->price_n;
	kind.price_base = row->price_n - out.price_low;
	kind.initial_price_n = row->initial_price_n == row->price_n ? RATE_SAME : row->initial_price_n;
	kind.connect_fee_n = row->connect_fee_n;
	kind.initial_s = row->initial_s;
	kind.increment_s = row->increment_s;
	kind.grace_s = row->grace_s;
	kind.from_us = row->effective_from_us;
	kind.to_us = row->effective_to_us;
	kind.blocked = row->blocked;
	if (row->origin_prefix != NULL) {
		kind.origin = text_offset(b, row->origin_prefix);
		kind.origin_length = (uint8_t)strlen(row->origin_prefix);
	}
	out.destination = destination_offset(b, row->destination);
	out.kind = intern_get(&b->kinds, &kind);
	if (b->n_rows == b->capacity) {
		b->capacity = b->capacity == 0 ? 1024 : b->capacity + b->capacity / 2;
		b->row = xrealloc(b->row, b->capacity * sizeof *b->row);
	}
	b->row[b->n_rows++] = out;
	return 0;
}

/* ---- layout ---- */

/* Of one prefix: the longest origin, then a schedule before none, then the later start. The rest only makes the order
 * the same on every node. */
static int row_compare(const void *pa, const void *pb, void *arg)
{
	const struct deck_builder *b = arg;
	const struct build_row *ra = pa, *rb = pb;
	if (ra->key != rb->key)
		return ra->key < rb->key ? -1 : 1;
	const struct image_kind *all = (const struct image_kind *)(const void *)b->kinds.item;
	const struct image_kind *ka = &all[ra->kind], *kb = &all[rb->kind];
	if (ka->origin_length != kb->origin_length)
		return ka->origin_length > kb->origin_length ? -1 : 1;
	if ((ka->schedule != 0) != (kb->schedule != 0))
		return ka->schedule != 0 ? -1 : 1;
	if (ka->from_us != kb->from_us)
		return ka->from_us > kb->from_us ? -1 : 1;
	int order = strcmp(b->text.text + ka->origin, b->text.text + kb->origin);
	if (order != 0 || ka->schedule == 0)
		return order;
	uint32_t ta, tb;
	memcpy(&ta, b->schedules.item + (ka->schedule - 1) * b->schedules.size, sizeof ta);
	memcpy(&tb, b->schedules.item + (kb->schedule - 1) * b->schedules.size, sizeof tb);
	return strcmp(b->schedule_text.text + ta, b->schedule_text.text + tb);
}

static unsigned int key_digits(unsigned __int128 key)
{
	uint64_t low = (uint64_t)key, high = (uint64_t)(key >> 64);
	if (low != 0)
		return 32 - (unsigned int)__builtin_ctzll(low) / 4;
	return 16 - (unsigned int)__builtin_ctzll(high) / 4;
}

enum rate_class { CLASS_SHORT, CLASS_KEYED, CLASS_LONG, RATE_CLASSES };

struct layout {
	unsigned int index_digits;
	uint32_t n[RATE_CLASSES];
	struct image_header header;
	uint8_t *image;
};

static enum rate_class class_of(unsigned int digits, unsigned int index_digits)
{
	if (digits < index_digits)
		return CLASS_SHORT;
	return digits <= index_digits + TAIL_DIGITS ? CLASS_KEYED : CLASS_LONG;
}

static void layout_count(struct layout *l, const struct deck_builder *b)
{
	uint32_t prefixes = 0;
	for (size_t i = 0; i < b->n_rows; i++)
		prefixes += i == 0 || b->row[i].key != b->row[i - 1].key;
	l->index_digits = INDEX_DIGITS_MIN; /* no more than a word of index for each prefix */
	while (l->index_digits < INDEX_DIGITS_MAX && image_power10(l->index_digits + 1) <= prefixes)
		l->index_digits++;
	for (size_t i = 0; i < b->n_rows; i++)
		l->n[class_of(key_digits(b->row[i].key), l->index_digits)]++;
}

static void layout_place(struct layout *l, const struct deck_builder *b)
{
	struct image_header *h = &l->header;
	const uint64_t count[IMAGE_PARTS] = {
		[PART_SHORT] = image_short_slot(l->index_digits, 0),
		[PART_INDEX] = image_power10(l->index_digits) + 1,
		[PART_BLOCK] = l->n[CLASS_KEYED],
		[PART_RATE] = l->n[CLASS_SHORT] + l->n[CLASS_LONG],
		[PART_LONG] = l->n[CLASS_LONG],
		[PART_KIND] = b->kinds.n,
		[PART_SCHEDULE] = b->n_schedules,
		[PART_WINDOW] = b->n_windows,
		[PART_ZONE] = b->n_zones,
		[PART_TRANSITION] = b->n_transitions,
		[PART_TEXT] = b->text.len,
	};
	uint64_t offset = sizeof *h;
	for (int i = 0; i < IMAGE_PARTS; i++) {
		offset = (offset + IMAGE_ALIGN - 1) & ~(uint64_t)(IMAGE_ALIGN - 1);
		h->part[i] = (struct image_part){.offset = offset, .count = count[i]};
		offset += count[i] * image_part_size[i];
	}
	h->length = offset;
	h->magic = IMAGE_MAGIC;
	h->format = IMAGE_FORMAT;
	h->header_size = sizeof *h;
	h->id = b->words.id;
	h->version = b->words.version;
	h->source = b->words.source;
	memcpy(h->currency, b->words.currency, sizeof h->currency);
	h->side = (uint8_t)b->words.side;
	h->rounding = (uint8_t)b->words.rounding;
	h->places = (uint8_t)b->words.places;
	h->duration_rounding = (uint8_t)b->words.duration_rounding;
	h->index_digits = l->index_digits;
	h->n_short = l->n[CLASS_SHORT];
	l->image = image_alloc(offset);
	memcpy(l->image, h, sizeof *h);
}

static void *part_of(struct layout *l, int part)
{
	return l->image + l->header.part[part].offset;
}

static uint32_t key_head(unsigned __int128 key, unsigned int digits)
{
	uint32_t value = 0;
	for (unsigned int i = 0; i < digits; i++)
		value = value * 10 + (uint32_t)(key >> (4 * (PREFIX_MAX - 1 - i)) & 15) - 1;
	return value;
}

static uint32_t key_tail(const struct layout *l, unsigned __int128 key)
{
	return (uint32_t)(key >> (4 * (PREFIX_MAX - TAIL_DIGITS - l->index_digits)));
}

/* Where each bucket begins: counted, then summed. */
static void layout_index(struct layout *l, const struct deck_builder *b)
{
	struct image_bucket *index = part_of(l, PART_INDEX);

	for (size_t i = 0; i < b->n_rows; i++)
		if (class_of(key_digits(b->row[i].key), l->index_digits) == CLASS_KEYED)
			index[key_head(b->row[i].key, l->index_digits) + 1].first++;
	for (uint32_t i = 1; i <= image_power10(l->index_digits); i++)
		index[i].first += index[i - 1].first;
}

/* The at-th rate of its class. */
static struct image_rate *place_short(struct layout *l, uint32_t at, unsigned __int128 key)
{
	unsigned int digits = key_digits(key);
	uint32_t *said = (uint32_t *)part_of(l, PART_SHORT) + image_short_slot(digits, key_head(key, digits));

	if (*said == 0) /* the first of its prefix */
		*said = digits << SHORT_DIGITS_AT | (at + 1);
	return (struct image_rate *)part_of(l, PART_RATE) + at;
}

static struct image_rate *place_keyed(struct layout *l, uint32_t at, unsigned __int128 key)
{
	const struct image_bucket *bucket =
		(struct image_bucket *)part_of(l, PART_INDEX) + key_head(key, l->index_digits);
	uint32_t n = bucket[1].first - bucket[0].first, i = at - bucket[0].first;
	uint32_t *keys = (uint32_t *)part_of(l, PART_BLOCK) + (size_t)bucket[0].first * (IMAGE_SLOT / sizeof *keys);

	keys[i] = key_tail(l, key);
	return (struct image_rate *)(void *)(keys + n) + i;
}

static struct image_rate *place_long(struct layout *l, uint32_t at, unsigned __int128 key)
{
	struct image_long *longs = part_of(l, PART_LONG);

	longs[at] = (struct image_long){.high = (uint64_t)(key >> 64), .low = (uint64_t)key};
	return (struct image_rate *)part_of(l, PART_RATE) + l->n[CLASS_SHORT] + at;
}

/* The rows are sorted by prefix, which keeps that order within each class and bucket. */
static void layout_rates(struct layout *l, const struct deck_builder *b)
{
	static struct image_rate *(*const place[RATE_CLASSES])(struct layout *, uint32_t, unsigned __int128) = {
		[CLASS_SHORT] = place_short, [CLASS_KEYED] = place_keyed, [CLASS_LONG] = place_long};
	uint32_t n[RATE_CLASSES] = {0};

	for (size_t i = 0; i < b->n_rows; i++) {
		const struct build_row *r = &b->row[i];
		enum rate_class class = class_of(key_digits(r->key), l->index_digits);
		bool more = i + 1 < b->n_rows && b->row[i + 1].key == r->key;
		*place[class](l, n[class]++, r->key) = (struct image_rate){.price_low = r->price_low,
									   .destination = r->destination,
									   .kind = r->kind | (more ? RATE_MORE : 0)};
	}
}

/* What a number finds that no prefix of its bucket begins. */
static void layout_shorter(struct layout *l)
{
	struct image_bucket *index = part_of(l, PART_INDEX);
	const uint32_t *shorts = part_of(l, PART_SHORT);

	for (uint32_t i = 0; i < image_power10(l->index_digits); i++) {
		uint32_t head = i / 10;
		for (unsigned int digits = l->index_digits - 1; digits > 0 && index[i].shorter == 0;
		     digits--, head /= 10)
			index[i].shorter = shorts[image_short_slot(digits, head)];
	}
}

static void part_copy(struct layout *l, int part, const void *bytes)
{
	size_t len = l->header.part[part].count * image_part_size[part];
	if (len > 0)
		memcpy(part_of(l, part), bytes, len);
}

int deck_builder_finish(struct deck_builder **bp, struct deck **out, struct status *st)
{
	struct deck_builder *b = *bp;
	struct layout l = {.image = NULL};

	if (b->n_rows > 0)
		qsort_r(b->row, b->n_rows, sizeof *b->row, row_compare, b);
	layout_count(&l, b);
	layout_place(&l, b);
	layout_index(&l, b);
	layout_rates(&l, b);
	layout_shorter(&l);
	part_copy(&l, PART_KIND, b->kinds.item);
	part_copy(&l, PART_SCHEDULE, b->schedule);
	part_copy(&l, PART_WINDOW, b->window);
	part_copy(&l, PART_ZONE, b->zone);
	part_copy(&l, PART_TRANSITION, b->transition);
	part_copy(&l, PART_TEXT, b->text.text);
	size_t len = l.header.length;
	deck_builder_free(bp);
	struct image_header *h = (struct image_header *)(void *)l.image;
	if (image_digest(l.image, len, h->sha256) != 0) {
		image_free(l.image, len);
		return status_set(st, -EIO, "SHA-256 is not available from the cryptographic library");
	}
	return deck_adopt(l.image, len, out, st);
}
