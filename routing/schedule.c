/* SPDX-License-Identifier: Apache-2.0 */
#include "routing/schedule.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define DAY_MIN (24 * 60)

/* "HH:MM"; the end of the day is "24:00" */
static int minute_parse(const json_t *value, const char *field, uint16_t *out, struct status *st)
{
	const char *s = json_string_value(value);
	if (s != NULL && strlen(s) == 5 && s[2] == ':' && strspn(s, "0123456789:") == 5 && s[0] != ':' && s[1] != ':' &&
	    s[3] != ':' && s[4] != ':') {
		int hour = (s[0] - '0') * 10 + s[1] - '0', minute = (s[3] - '0') * 10 + s[4] - '0';
		if (minute < 60 && hour * 60 + minute <= DAY_MIN) {
			*out = (uint16_t)(hour * 60 + minute);
			return 0;
		}
	}
	return status_set(st, -EINVAL, "schedule: \"%s\" must be a time \"HH:MM\"", field);
}

static int days_parse(const json_t *value, uint8_t *out, struct status *st)
{
	*out = 0;
	for (size_t i = 0; i < json_array_size(value); i++) {
		json_int_t day = json_integer_value(json_array_get(value, i));
		if (day < 1 || day > 7)
			return status_set(st, -EINVAL, "schedule: \"days\" holds numbers 1 (Monday) to 7 (Sunday)");
		*out |= (uint8_t)(1U << (day - 1));
	}
	if (!json_is_array(value) || *out == 0)
		return status_set(st, -EINVAL, "schedule: \"days\" must be a list of numbers 1 to 7");
	return 0;
}

static int zone_parse(const json_t *value, char out[static SCHEDULE_ZONE_MAX], struct status *st)
{
	const char *s = json_string_value(value);
	size_t len = s == NULL ? 0 : strlen(s);
	if (len == 0 || len >= SCHEDULE_ZONE_MAX || s[0] == '/' || strstr(s, "..") != NULL ||
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_+-") != len)
		return status_set(st, -EINVAL, "schedule: \"timezone\" must be a name such as \"Europe/Berlin\"");
	memcpy(out, s, len + 1);
	return 0;
}

static int window_parse(json_t *o, struct schedule_window *w, struct status *st)
{
	const char *key;
	json_t *value;
	int err = 0;

	if (!json_is_object(o))
		return status_set(st, -EINVAL, "schedule: each window must be an object");
	*w = (struct schedule_window){.days = 0x7f, .to_min = DAY_MIN, .zone = "UTC"};
	json_object_foreach(o, key, value)
	{
		if (json_is_null(value))
			continue;
		if (strcmp(key, "days") == 0)
			err = days_parse(value, &w->days, st);
		else if (strcmp(key, "from") == 0)
			err = minute_parse(value, key, &w->from_min, st);
		else if (strcmp(key, "to") == 0)
			err = minute_parse(value, key, &w->to_min, st);
		else if (strcmp(key, "timezone") == 0)
			err = zone_parse(value, w->zone, st);
		else
			err = status_set(st, -EINVAL, "schedule: unknown field \"%.40s\"", key);
		if (err != 0)
			return err;
	}
	if (w->from_min == DAY_MIN)
		return status_set(st, -EINVAL, "schedule: \"from\" must be before 24:00");
	return 0;
}

int schedule_parse(const char *json, struct schedule_window **windows, size_t *n, struct status *st)
{
	json_error_t why;
	json_t *list = json_loads(json, 0, &why);
	struct schedule_window *w = NULL;
	int err = 0;

	*n = json_array_size(list);
	if (!json_is_array(list) || *n == 0) {
		err = status_set(st, -EINVAL, "schedule must be a list of at least one window");
		goto out;
	}
	w = xcalloc(*n, sizeof *w);
	for (size_t i = 0; i < *n && err == 0; i++)
		err = window_parse(json_array_get(list, i), &w[i], st);
	if (err == 0) {
		*windows = w;
		w = NULL;
	}
out:
	free(w);
	json_decref(list);
	return err;
}

static json_t *window_json(const struct schedule_window *w)
{
	json_t *days = json_array();
	char from[16], to[16];

	for (int day = 1; day <= 7; day++)
		if (w->days & (1U << (day - 1)))
			json_array_append_new(days, json_integer(day));
	snprintf(from, sizeof from, "%02d:%02d", w->from_min / 60, w->from_min % 60);
	snprintf(to, sizeof to, "%02d:%02d", w->to_min / 60, w->to_min % 60);
	return json_pack("{s:o, s:s, s:s, s:s}", "days", days, "from", from, "to", to, "timezone", w->zone);
}

int schedule_text(const char *json, char **text, struct status *st)
{
	struct schedule_window *windows;
	size_t n;
	int err = schedule_parse(json, &windows, &n, st);

	if (err != 0)
		return err;
	json_t *list = json_array();
	for (size_t i = 0; i < n && err == 0; i++) {
		struct zone_transition *transitions;
		size_t ignored;

		err = zone_load(windows[i].zone, &transitions, &ignored, st);
		if (err == 0)
			free(transitions);
		json_array_append_new(list, window_json(&windows[i]));
	}
	if (err == 0)
		*text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	free(windows);
	return err == 0 ? 0 : -EINVAL;
}
