/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/number.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define MATCH_LIMIT 20000 /* steps; a sound pattern over 128 characters needs a few hundred */
#define DEPTH_LIMIT 1000
#define HEAP_LIMIT_KIB 1024
#define GROUPS 10 /* $0..$9 */
#define CALLED_MIN 3

struct translation {
	bool called;
	pcre2_code *code;
	char *replace;
};

/* ---- a thread's match memory ---- */

struct match_memory {
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

static pthread_once_t memory_once = PTHREAD_ONCE_INIT;
static pthread_key_t memory_key;

static void memory_free(void *arg)
{
	struct match_memory *m = arg;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->limits);
	free(m);
}

static void memory_init(void)
{
	if (pthread_key_create(&memory_key, memory_free) != 0)
		abort(); /* no thread-specific keys left: the program cannot work */
}

static struct match_memory *memory_get(void)
{
	(void)pthread_once(&memory_once, memory_init);
	struct match_memory *m = pthread_getspecific(memory_key);
	if (m != NULL)
		return m;
	m = xcalloc(1, sizeof *m);
	m->data = pcre2_match_data_create(GROUPS, NULL);
	m->limits = pcre2_match_context_create(NULL);
	if (m->data == NULL || m->limits == NULL || pthread_setspecific(memory_key, m) != 0)
		abort(); /* out of memory, as xcalloc */
	pcre2_set_match_limit(m->limits, MATCH_LIMIT);
	pcre2_set_depth_limit(m->limits, DEPTH_LIMIT);
	pcre2_set_heap_limit(m->limits, HEAP_LIMIT_KIB);
	return m;
}

/* ---- translations ---- */

/* Only $0..$9 stand for something in a replacement, "$$" for a dollar; a group that the pattern lacks is an error. */
static int replace_check(const char *replace, uint32_t groups, struct status *st)
{
	if (strlen(replace) >= NUMBER_MAX)
		return status_set(st, -EINVAL, "replace is longer than %d characters", NUMBER_MAX - 1);
	for (const char *p = replace; *p != '\0'; p++) {
		if (*p != '$')
			continue;
		p++;
		if (*p == '$')
			continue;
		if (*p < '0' || *p > '9')
			return status_set(st, -EINVAL, "replace: '$' must be followed by a digit (or '$')");
		if ((uint32_t)(*p - '0') > groups)
			return status_set(st, -EINVAL, "replace: $%c, but match has %u groups", *p, groups);
	}
	return 0;
}

int translation_compile(bool called, const char *match, const char *replace, struct translation **out,
			struct status *st)
{
	int code;
	PCRE2_SIZE offset;
	uint32_t groups = 0;
	PCRE2_UCHAR words[160];

	pcre2_code *re = pcre2_compile((PCRE2_SPTR)match, PCRE2_ZERO_TERMINATED,
				       PCRE2_NEVER_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
	if (re == NULL) {
		pcre2_get_error_message(code, words, sizeof words);
		return status_set(st, -EINVAL, "match: %s at character %zu", (const char *)words, (size_t)offset + 1);
	}
	(void)pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &groups);
	int err = replace_check(replace, groups, st);
	if (err != 0) {
		pcre2_code_free(re);
		return err;
	}
	/* Faster where the system lets us write code; where it does not (sandboxes), the interpreter does the same. */
	(void)pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
	struct translation *t = xcalloc(1, sizeof *t);
	t->called = called;
	t->code = re;
	t->replace = xstrdup(replace);
	*out = t;
	return 0;
}

void translation_free(struct translation **tp)
{
	struct translation *t = *tp;
	*tp = NULL;
	if (t == NULL)
		return;
	pcre2_code_free(t->code);
	free(t->replace);
	free(t);
}

struct text { /* bounded; `full` says that something did not fit */
	char *out;
	size_t len;
	bool full;
};

static void text_put(struct text *t, const char *bytes, size_t len)
{
	if (t->full || len > NUMBER_MAX - 1 - t->len) {
		t->full = true;
		return;
	}
	memcpy(t->out + t->len, bytes, len);
	t->len += len;
	t->out[t->len] = '\0';
}

/* Rewrite the first match in number; the rest of it stays. No match, or one past the limits: nothing changes. */
static int translation_apply(const struct translation *t, char number[static NUMBER_MAX])
{
	struct match_memory *m = memory_get();
	char result[NUMBER_MAX] = "";
	struct text text = {.out = result};
	size_t len = strlen(number);

	int groups = pcre2_match(t->code, (PCRE2_SPTR)number, len, 0, 0, m->data, m->limits);
	if (groups < 0)
		return 0;
	const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
	int known = groups == 0 ? GROUPS : groups;
	if (at[0] > at[1] || at[1] > len)
		return 0; /* \K in a look-around: not a span of the number */
	text_put(&text, number, at[0]);
	for (const char *p = t->replace; *p != '\0'; p++) {
		if (*p != '$' || *++p == '$') {
			text_put(&text, p, 1);
			continue;
		}
		int group = *p - '0';
		if (group < known && at[2 * group] != PCRE2_UNSET)
			text_put(&text, number + at[2 * group], at[2 * group + 1] - at[2 * group]);
	}
	text_put(&text, number + at[1], len - at[1]);
	if (text.full)
		return -ENAMETOOLONG;
	memcpy(number, result, text.len + 1);
	return 0;
}

static int translate(const struct trunk *trunk, struct number_pair *pair)
{
	for (int i = 0; i < trunk->n_translations; i++) {
		const struct translation *t = trunk->translation[i];
		int err = translation_apply(t, t->called ? pair->called : pair->calling);
		if (err != 0)
			return err;
	}
	return 0;
}

/* ---- numbers ---- */

static int number_copy(char out[static NUMBER_MAX], const char *text)
{
	size_t len = strlen(text);
	if (len >= NUMBER_MAX)
		return -ENAMETOOLONG;
	memcpy(out, text, len + 1);
	return 0;
}

static const char *plus_skip(const char *number)
{
	return number[0] == '+' ? number + 1 : number;
}

int number_in(const struct trunk *ingress, const char *called_raw, const char *calling_raw, struct number_pair *out)
{
	const char *called = plus_skip(called_raw);
	if (digits_starts_with(called, ingress->tech_prefix) && ingress->tech_prefix[0] != '\0')
		called = plus_skip(called + strlen(ingress->tech_prefix));
	int err = number_copy(out->called, called);
	if (err == 0)
		err = number_copy(out->calling, plus_skip(calling_raw));
	if (err == 0)
		err = translate(ingress, out);
	if (err != 0)
		return err;
	size_t len = strlen(out->called);
	if (!digits_only(out->called) || len < CALLED_MIN)
		return -EINVAL;
	return len > DIGITS_MAX ? -ENAMETOOLONG : 0;
}

int number_out(const struct trunk *egress, const struct number_pair *in, struct number_pair *out)
{
	char called[NUMBER_MAX] = "";
	struct text text = {.out = called};

	*out = *in;
	int err = translate(egress, out);
	if (err != 0)
		return err;
	text_put(&text, egress->tech_prefix, strlen(egress->tech_prefix));
	text_put(&text, out->called, strlen(out->called));
	if (text.full)
		return -ENAMETOOLONG;
	memcpy(out->called, called, text.len + 1);
	return 0;
}

int number_calling(const struct trunk *trunk, const char *raw, char out[static NUMBER_MAX])
{
	int err = number_copy(out, plus_skip(raw));
	for (int i = 0; err == 0 && i < trunk->n_translations; i++)
		if (!trunk->translation[i]->called)
			err = translation_apply(trunk->translation[i], out);
	return err;
}
