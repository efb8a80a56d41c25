/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static _Atomic int log_threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	atomic_store(&log_threshold, (int)level);
}

int log_level_parse(const char *name, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Is standard error the journal? (systemd.exec(5), JOURNAL_STREAM). It then wants its own level in front, and has
 * its own time. */
static bool to_journal(void)
{
	static _Atomic int known = -1;
	int answer = atomic_load(&known);

	if (answer < 0) {
		const char *stream = getenv("JOURNAL_STREAM");
		unsigned long long device, inode;
		struct stat st;

		answer = stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
			 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
		atomic_store(&known, answer);
	}
	return answer;
}

static size_t log_head(enum log_level level, const char *what, char *line, size_t size)
{
	static const int syslog_level[] = {3, 4, 6, 7};
	char at[CLOCK_TEXT_MAX];
	int len;

	if (to_journal())
		len = snprintf(line, size, "<%d>level=%s msg=\"%s\"", syslog_level[level], level_names[level], what);
	else
		len = snprintf(line, size, "ts=%s level=%s msg=\"%s\"", clock_format(clock_wall_us(), at),
			       level_names[level], what);
	return (size_t)len < size ? (size_t)len : size - 1;
}

void log_event(enum log_level level, const char *what, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	size_t room = sizeof(line) - 1; /* the last byte is the newline's */

	if ((int)level > atomic_load(&log_threshold))
		return;

	size_t len = log_head(level, what, line, room);
	if (fmt != NULL && *fmt != '\0' && len + 1 < room) {
		va_list args;

		line[len++] = ' ';
		va_start(args, fmt);
		int more = vsnprintf(line + len, room - len, fmt, args);
		va_end(args);
		if (more > 0)
			len += (size_t)more < room - len ? (size_t)more : room - len - 1;
	}
	for (size_t i = 0; i < len; i++) { /* one event, one line */
		if (line[i] == '\n' || line[i] == '\r')
			line[i] = ' ';
	}
	line[len++] = '\n';
	for (size_t done = 0; done < len;) {
		ssize_t n = write(STDERR_FILENO, line + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody reads the log: there is no one to tell */
		done += (size_t)n;
	}
}

const char *log_quote(const char *text, char *out, size_t size)
{
	size_t n = 0;

	if (size < 3) {
		if (size > 0)
			out[0] = '\0';
		return out;
	}
	out[n++] = '"';
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		char escaped[5];
		int len;

		if (*p == '"' || *p == '\\')
			len = snprintf(escaped, sizeof(escaped), "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			len = snprintf(escaped, sizeof(escaped), "\\x%02x", *p);
		else
			len = snprintf(escaped, sizeof(escaped), "%c", *p);
		if (n + (size_t)len + 2 > size)
			break;
		memcpy(out + n, escaped, (size_t)len);
		n += (size_t)len;
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

int log_limit(struct log_limit *limit, int64_t mono_us, uint64_t *skipped)
{
	int64_t next_us = atomic_load(&limit->next_us);

	if (mono_us < next_us ||
	    !atomic_compare_exchange_strong(&limit->next_us, &next_us, mono_us + limit->interval_us)) {
		atomic_fetch_add(&limit->skipped, 1);
		return 0;
	}
	*skipped = atomic_exchange(&limit->skipped, 0);
	return 1;
}
