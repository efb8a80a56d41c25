/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/redis.h"
#include "routing/deck_priv.h"

#define COMMAND_MS 400		/* a hung Redis must not hold up the loader */
#define REST_US (3 * 1000000LL) /* how long it is left alone after that */
#define CHUNK_BYTES ((size_t)256 << 10)
#define IMAGE_MAX ((size_t)4 << 30)
#define WRITER_MS "30000"
#define KEEP_S "2592000" /* 30 days: what no node looks after any more goes by itself */
#define CONFIG_KEY "{tandem}:config"

struct cache {
	struct redis *redis;
	char *dir;
	bool redis_up;
	int64_t rest_until_us;
	json_t *document; /* as it was put last: a reference */
};

/* ---- Redis ---- */

static bool redis_ready(const struct cache *c)
{
	return clock_mono_us() >= c->rest_until_us;
}

/* One line for each change of its state */
static void redis_result(struct cache *c, int err, const struct status *st)
{
	char quoted[600];
	bool away = err == -ENOTCONN || err == -ETIMEDOUT;

	if (away)
		c->rest_until_us = clock_mono_us() + REST_US;
	if (away && c->redis_up)
		log_event(LOG_LEVEL_WARN, "deck cache: redis away", "why=%s",
			  log_quote(st->text, quoted, sizeof quoted));
	else if (err != 0 && !away)
		log_event(LOG_LEVEL_WARN, "deck cache: redis refuses", "why=%s",
			  log_quote(st->text, quoted, sizeof quoted));
	if (away || err == 0)
		c->redis_up = !away;
}

static int command(struct cache *c, redisReply **reply, int argc, const char **argv, const size_t *len)
{
	struct status st = {""};
	if (!redis_ready(c))
		return -ENOTCONN;
	int err = redis_command_argv(c->redis, reply, &st, argc, argv, len);
	redis_result(c, err, &st);
	return err;
}

static int get(struct cache *c, const char *key, redisReply **reply)
{
	const char *argv[] = {"GET", key};
	const size_t len[] = {3, strlen(key)};
	int err = command(c, reply, 2, argv, len);
	if (err == 0 && (*reply)->type != REDIS_REPLY_STRING) {
		freeReplyObject(*reply);
		err = -ENOENT;
	}
	return err;
}

static int put(struct cache *c, const char *key, const void *value, size_t value_len)
{
	const char *argv[] = {"SET", key, value, "EX", KEEP_S};
	const size_t len[] = {3, strlen(key), value_len, 2, sizeof KEEP_S - 1};
	redisReply *reply;
	int err = command(c, &reply, 5, argv, len);
	if (err == 0)
		freeReplyObject(reply);
	return err;
}

static bool is_there(struct cache *c, const char *key)
{
	const char *argv[] = {"EXISTS", key};
	const size_t len[] = {6, strlen(key)};
	redisReply *reply;
	if (command(c, &reply, 2, argv, len) != 0)
		return false;
	bool there = reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
	freeReplyObject(reply);
	return there;
}

static void drop(struct cache *c, const char *key)
{
	const char *argv[] = {"UNLINK", key};
	const size_t len[] = {6, strlen(key)};
	redisReply *reply;
	if (command(c, &reply, 2, argv, len) == 0)
		freeReplyObject(reply);
}

/* ---- images in Redis ---- */

struct pointer { /* what lies under {tandem}:deck:FORMAT:SOURCE:ID */
	int64_t version;
	size_t chunks, length;
};

static char *deck_key(struct buf *b, uint64_t source, int64_t id)
{
	buf_reset(b);
	buf_printf(b, "{tandem}:deck:%d:%016" PRIx64 ":%" PRId64, IMAGE_FORMAT, source, id);
	return b->text;
}

static char *chunk_key(struct buf *b, uint64_t source, int64_t id, int64_t version, size_t chunk)
{
	(void)deck_key(b, source, id);
	buf_printf(b, ":%" PRId64 ":%zu", version, chunk);
	return b->text;
}

static int pointer_get(struct cache *c, uint64_t source, int64_t id, struct pointer *p)
{
	struct buf key = {0};
	redisReply *reply;
	int err = get(c, deck_key(&key, source, id), &reply);

	buf_free(&key);
	if (err != 0)
		return err;
	if (sscanf(reply->str, "%" SCNd64 " %zu %zu", &p->version, &p->chunks, &p->length) != 3 || p->length == 0 ||
	    p->length > IMAGE_MAX || p->chunks != (p->length + CHUNK_BYTES - 1) / CHUNK_BYTES)
		err = -ENOENT;
	freeReplyObject(reply);
	return err;
}

/* 0, -EBADMSG: it is not whole or not sound, or another error: Redis didn't answer */
static int image_read(struct cache *c, uint64_t source, int64_t id, const struct pointer *p, struct deck **out,
		      struct status *why)
{
	uint8_t *image = xcalloc(1, p->length + 1);
	struct buf key = {0};
	size_t at = 0;
	int err = 0;

	for (size_t i = 0; i < p->chunks && err == 0; i++) {
		redisReply *reply;
		err = get(c, chunk_key(&key, source, id, p->version, i), &reply);
		if (err != 0)
			break;
		if (reply->len > p->length - at)
			err = status_set(why, -EBADMSG, "a part is too long");
		else
			memcpy(image + at, reply->str, reply->len);
		at += reply->len;
		freeReplyObject(reply);
	}
	if (err == -ENOENT)
		err = status_set(why, -EBADMSG, "a part is missing");
	else if (err == 0 && at != p->length)
		err = status_set(why, -EBADMSG, "it is cut: %zu of %zu bytes", at, p->length);
	else if (err == 0)
		err = deck_open(image, at, out, why);
	const struct deck_words *w = err == 0 ? deck_words(*out) : NULL;
	if (w != NULL && (w->id != id || w->source != source || w->version != p->version)) {
		deck_unref(out);
		err = status_set(why, -EBADMSG, "it is another deck's");
	}
	buf_free(&key);
	free(image);
	return err;
}

static void image_drop(struct cache *c, uint64_t source, int64_t id)
{
	struct buf key = {0};

	drop(c, deck_key(&key, source, id));
	buf_free(&key);
}

/* What is not sound is read once more: another node may have written a later one meanwhile, and let go of this one's
 * parts. If it is still said to be there it goes: else nobody would write it again. */
static int image_get(struct cache *c, uint64_t source, int64_t id, const struct pointer *p, struct deck **out)
{
	struct pointer again;
	struct status why;

	int err = image_read(c, source, id, p, out, &why);
	if (err == -EBADMSG && pointer_get(c, source, id, &again) == 0 && again.version == p->version)
		err = image_read(c, source, id, &again, out, &why);
	else if (err == -EBADMSG)
		err = -ENOENT;
	if (err == -EBADMSG) {
		log_event(LOG_LEVEL_WARN, "deck cache: an image in Redis is not usable", "deck=%" PRId64 " why=\"%s\"",
			  id, why.text);
		image_drop(c, source, id);
	}
	return err;
}

/* One writer at a time for a deck: nodes that compile the same version must not mix their chunks. */
static bool writer_lock(struct cache *c, uint64_t source, int64_t id, struct buf *key)
{
	(void)deck_key(key, source, id);
	buf_puts(key, ":writer");
	const char *argv[] = {"SET", key->text, "1", "NX", "PX", WRITER_MS};
	const size_t len[] = {3, key->len, 1, 2, 2, sizeof WRITER_MS - 1};
	redisReply *reply;
	if (command(c, &reply, 6, argv, len) != 0)
		return false;
	bool mine = reply->type == REDIS_REPLY_STATUS;
	freeReplyObject(reply);
	return mine;
}

static void image_put(struct cache *c, const struct deck *d)
{
	const struct deck_words *w = deck_words(d);
	struct pointer old = {0};
	struct buf key = {0}, lock = {0}, value = {0};
	size_t length, chunks = 0;
	const uint8_t *image = deck_image(d, &length);

	int err = pointer_get(c, w->source, w->id, &old);
	if (err == 0 && old.version >= w->version)
		goto out; /* it is there already */
	if (err == -ENOENT)
		old = (struct pointer){0};
	else if (err != 0)
		goto out;
	if (!writer_lock(c, w->source, w->id, &lock))
		goto out;
	err = 0;
	for (size_t at = 0; at < length && err == 0; at += CHUNK_BYTES)
		err = put(c, chunk_key(&key, w->source, w->id, w->version, chunks++), image + at,
			  length - at < CHUNK_BYTES ? length - at : CHUNK_BYTES);
	buf_printf(&value, "%" PRId64 " %zu %zu", w->version, chunks, length);
	if (err == 0)
		err = put(c, deck_key(&key, w->source, w->id), value.text, value.len);
	for (size_t i = 0; i < old.chunks && err == 0; i++)
		drop(c, chunk_key(&key, w->source, w->id, old.version, i));
	drop(c, lock.text);
out:
	buf_free(&key);
	buf_free(&lock);
	buf_free(&value);
}

/* ---- disk ---- */

static void path_of(const struct cache *c, int64_t id, struct buf *path)
{
	if (id == 0)
		buf_printf(path, "%s/config.json", c->dir);
	else
		buf_printf(path, "%s/deck-%" PRId64 ".image", c->dir, id);
}

static int write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;
	while (len > 0) {
		ssize_t n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return fdatasync(fd) == 0 ? 0 : -errno;
}

static void file_put(const struct cache *c, int64_t id, const void *bytes, size_t len)
{
	static struct log_limit every = {.interval_us = 60 * 1000000LL};
	struct buf path = {0}, beside = {0};
	uint64_t skipped;

	path_of(c, id, &path);
	buf_printf(&beside, "%s.new", path.text);
	int fd = open(beside.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = fd < 0 ? -errno : write_all(fd, bytes, len);
	if (fd >= 0 && close(fd) != 0 && err == 0)
		err = -errno;
	if (err == 0 && rename(beside.text, path.text) != 0)
		err = -errno;
	if (err != 0) {
		(void)unlink(beside.text);
		if (log_limit(&every, clock_mono_us(), &skipped))
			log_event(LOG_LEVEL_WARN, "deck cache: cannot write", "file=%s why=\"%s\"", path.text,
				  strerror(-err));
	}
	buf_free(&path);
	buf_free(&beside);
}

/* At most `most` bytes from the start of the file; NULL if there is none */
static uint8_t *file_get(const struct cache *c, int64_t id, size_t most, size_t *len)
{
	struct buf path = {0};
	struct stat info;
	uint8_t *bytes = NULL;

	path_of(c, id, &path);
	int fd = open(path.text, O_RDONLY | O_CLOEXEC);
	buf_free(&path);
	if (fd < 0)
		return NULL;
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (size_t)info.st_size <= IMAGE_MAX) {
		size_t wanted = (size_t)info.st_size < most ? (size_t)info.st_size : most;
		bytes = xcalloc(1, wanted + 1);
		for (*len = 0; *len < wanted;) {
			ssize_t n = read(fd, bytes + *len, wanted - *len);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break;
			*len += (size_t)n;
		}
	}
	close(fd);
	return bytes;
}

/* The version of the image on disk; 0 if there is none of that database */
static int64_t file_version(const struct cache *c, uint64_t source, int64_t id)
{
	struct image_header h;
	size_t len;
	int64_t version = 0;
	uint8_t *bytes = file_get(c, id, sizeof h, &len);

	if (bytes != NULL && len == sizeof h) {
		memcpy(&h, bytes, sizeof h);
		if (h.magic == IMAGE_MAGIC && h.format == IMAGE_FORMAT && h.source == source && h.id == id)
			version = h.version;
	}
	free(bytes);
	return version;
}

static int file_deck(const struct cache *c, int64_t id, struct deck **out)
{
	struct status why;
	size_t len;
	uint8_t *bytes = file_get(c, id, IMAGE_MAX, &len);
	int err = bytes == NULL ? -ENOENT : deck_open(bytes, len, out, &why);
	if (err == -EBADMSG)
		log_event(LOG_LEVEL_WARN, "deck cache: a file is not usable", "deck=%" PRId64 " why=\"%s\"", id,
			  why.text);
	free(bytes);
	return err == 0 ? 0 : -ENOENT;
}

static void file_drop(const struct cache *c, int64_t id)
{
	struct buf path = {0};

	path_of(c, id, &path);
	(void)unlink(path.text);
	buf_free(&path);
}

/* Images of decks that the configuration no longer uses */
static void files_tidy(const struct cache *c, const json_t *document)
{
	const json_t *trunks = json_object_get(document, "trunks");
	DIR *dir = opendir(c->dir);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		int64_t id;
		int end = 0;
		bool used = false;
		if (sscanf(entry->d_name, "deck-%" SCNd64 ".image%n", &id, &end) != 1 || end == 0 ||
		    entry->d_name[end] != '\0')
			continue;
		for (size_t i = 0; i < json_array_size(trunks) && !used; i++)
			used = json_integer_value(json_object_get(json_array_get(trunks, i), "rate_deck_id")) == id;
		if (!used)
			(void)unlinkat(dirfd(dir), entry->d_name, 0);
	}
	if (dir != NULL)
		closedir(dir);
}

/* ---- both ---- */

static int dir_make(const char *dir, struct status *st)
{
	struct buf path = {0};
	struct stat info;

	for (const char *p = dir; *p != '\0'; p++) { /* and its parents */
		if (*p == '/' && path.len > 0)
			(void)mkdir(path.text, 0755);
		buf_putc(&path, *p);
	}
	buf_free(&path);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return status_set(st, -errno, "cache directory %s cannot be made: %s", dir, strerror(errno));
	if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode) || access(dir, W_OK | X_OK) != 0)
		return status_set(st, -EACCES, "cache directory %s is not writable", dir);
	return 0;
}

int cache_new(struct cache **out, const char *redis_url, const char *dir, struct status *st)
{
	int err = dir_make(dir, st);
	if (err != 0)
		return err;
	struct cache *c = xcalloc(1, sizeof *c);
	c->redis = redis_new(redis_url, COMMAND_MS);
	c->redis_up = true; /* until it shows otherwise */
	c->dir = xstrdup(dir);
	*out = c;
	return 0;
}

void cache_free(struct cache **cp)
{
	struct cache *c = *cp;
	*cp = NULL;
	if (c == NULL)
		return;
	redis_free(&c->redis);
	json_decref(c->document);
	free(c->dir);
	free(c);
}

bool cache_redis_up(const struct cache *c)
{
	return c->redis_up;
}

int cache_deck_get(struct cache *c, uint64_t source, int64_t id, int64_t version, struct deck **out)
{
	struct pointer p = {0};
	int64_t on_disk = file_version(c, source, id);

	if (version != CACHE_ANY_VERSION && on_disk == version) {
		if (file_deck(c, id, out) == 0)
			return 0;
		on_disk = 0;
		file_drop(c, id); /* damaged behind its header: else nobody would write it again */
	}
	if (pointer_get(c, source, id, &p) == 0 &&
	    (version == CACHE_ANY_VERSION ? p.version >= on_disk : p.version == version) &&
	    image_get(c, source, id, &p, out) == 0) {
		size_t len;
		const void *image = deck_image(*out, &len);
		if (on_disk != p.version)
			file_put(c, id, image, len);
		return 0;
	}
	if (version == CACHE_ANY_VERSION && on_disk != 0)
		return file_deck(c, id, out);
	return -ENOENT;
}

void cache_deck_put(struct cache *c, const struct deck *d)
{
	const struct deck_words *w = deck_words(d);
	size_t len;
	const void *image = deck_image(d, &len);
	if (file_version(c, w->source, w->id) != w->version)
		file_put(c, w->id, image, len);
	image_put(c, d);
}

static json_int_t document_version(const json_t *document)
{
	return json_integer_value(json_object_get(document, "version"));
}

json_t *cache_document_get(struct cache *c)
{
	json_t *of_redis = NULL, *of_disk = NULL;
	redisReply *reply;
	size_t len;

	if (get(c, CONFIG_KEY, &reply) == 0) {
		of_redis = json_loadb(reply->str, reply->len, 0, NULL);
		freeReplyObject(reply);
	}
	uint8_t *bytes = file_get(c, 0, IMAGE_MAX, &len);
	if (bytes != NULL)
		of_disk = json_loadb((const char *)bytes, len, 0, NULL);
	free(bytes);
	/* The disk knows which database this node last used; Redis may know more, but of the same one only. */
	if (of_redis != NULL &&
	    (of_disk == NULL || (json_equal(json_object_get(of_redis, "source"), json_object_get(of_disk, "source")) &&
				 document_version(of_redis) >= document_version(of_disk)))) {
		json_decref(of_disk);
		return of_redis;
	}
	json_decref(of_redis);
	return of_disk;
}

void cache_document_put(struct cache *c, json_t *document)
{
	bool known = document == c->document;
	if (known && (is_there(c, CONFIG_KEY) || !redis_ready(c)))
		return;
	char *text = json_dumps(document, JSON_COMPACT);
	if (text == NULL)
		return; /* it came from text: cannot be, but then there is no copy */
	if (!known) {
		file_put(c, 0, text, strlen(text));
		files_tidy(c, document);
	}
	(void)put(c, CONFIG_KEY, text, strlen(text)); /* its state was said by redis_result */
	free(text);
	json_t *old = c->document;
	c->document = json_incref(document);
	json_decref(old);
}
