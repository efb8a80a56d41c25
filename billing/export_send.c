/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/export_send.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"

#define LIMIT_US (900 * 1000000LL)
#define WORDS_MAX 400  /* of what a program says on standard error: the end of it */
#define PIPE_READS 128 /* more than a pipe holds */

extern char **environ;

struct child {
	pid_t pid;
	int in, err; /* our ends of its pipes */
};

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int child_start(struct child *c, char *const *argv, struct status *st)
{
	int in[2] = {-1, -1}, err[2] = {-1, -1};
	posix_spawn_file_actions_t actions;

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
		close_one(&in[0]);
		close_one(&in[1]);
		return status_set(st, -EIO, "no pipe to %s: %s", argv[0], strerror(errno));
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
	int rc = posix_spawnp(&c->pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close_one(&in[0]);
	close_one(&err[1]);
	c->in = in[1];
	c->err = err[0];
	if (rc == 0)
		return 0;
	close_one(&c->in);
	close_one(&c->err);
	return status_set(st, -EIO, "cannot run %.200s: %s", argv[0], strerror(rc));
}

/* The program is told all of text; it is small enough for a pipe, and a program that does not listen is no error here.
 */
static void child_tell(struct child *c, const char *text)
{
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	ssize_t n = write(c->in, text, strlen(text));

	(void)n; /* its exit status tells */
	signal(SIGPIPE, before);
	close_one(&c->in);
}

/* What it says within wait_ms; only the end is kept. */
static void child_hear(struct child *c, struct buf *words, int wait_ms)
{
	struct pollfd p = {.fd = c->err, .events = POLLIN}; /* -1, once it closed that: we sleep */
	char bytes[512];

	if (poll(&p, 1, wait_ms) <= 0)
		return;
	ssize_t n = read(c->err, bytes, sizeof(bytes));
	if (n == 0 || (n < 0 && errno != EINTR))
		close_one(&c->err);
	if (n > 0)
		buf_append(words, bytes, (size_t)n);
	if (words->len > WORDS_MAX * 4) {
		memmove(words->text, words->text + words->len - WORDS_MAX, WORDS_MAX + 1);
		words->len = WORDS_MAX;
	}
}

/* To its end, whatever it closes before that and whoever holds its standard error after. False: the time was up. */
static bool child_follow(struct child *c, int64_t limit_us, struct buf *words, int *status)
{
	int64_t until_us = clock_mono_us() + limit_us;
	bool ended = false;

	for (int wait_ms = 1; !ended && clock_mono_us() < until_us; wait_ms = wait_ms < 64 ? wait_ms * 2 : 100) {
		pid_t pid = waitpid(c->pid, status, WNOHANG);

		ended = pid > 0 || (pid < 0 && errno != EINTR);
		child_hear(c, words, ended ? 0 : wait_ms);
	}
	for (int i = 0; ended && c->err >= 0 && i < PIPE_READS; i++)
		child_hear(c, words, 0);
	if (!ended)
		kill(c->pid, SIGKILL);
	while (!ended && waitpid(c->pid, status, 0) < 0 && errno == EINTR)
		;
	close_one(&c->err);
	return ended;
}

/* one line of what it said last */
static const char *last_words(struct buf *words)
{
	char *text = words->text, *line;

	if (words->len == 0)
		return "it said nothing";
	while (words->len > 0 && (text[words->len - 1] == '\n' || text[words->len - 1] == '\r'))
		text[--words->len] = '\0';
	line = strrchr(text, '\n');
	return line != NULL ? line + 1 : text;
}

static int run(const struct export_parcel *p, char *const *argv, const char *input, struct status *st)
{
	struct child c = {.in = -1, .err = -1};
	struct buf words = {0};
	int status = -1, err = child_start(&c, argv, st);

	if (err != 0)
		return err;
	child_tell(&c, input);
	if (!child_follow(&c, p->limit_us > 0 ? p->limit_us : LIMIT_US, &words, &status))
		err = status_set(st, -EIO, "%.100s took too long", argv[0]);
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		err = status_set(st, -EIO, "%.100s failed: %.*s", argv[0], WORDS_MAX - 100, last_words(&words));
	buf_free(&words);
	return err;
}

/* a name in a batch of sftp: in quotes */
static void put_quoted(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

/* user@host[:port]/directory, taken apart in place */
static int address_split(char *address, char **who, char **port, char **directory)
{
	static char none[] = "";
	char *at = strncmp(address, "sftp://", 7) == 0 ? strchr(address + 7, '@') : NULL;
	char *slash = at != NULL ? strchr(at, '/') : NULL;

	if (at == NULL || address[7] == '-' || at[1] == '-' || strpbrk(address, "\n\r") != NULL)
		return -EINVAL;
	*who = address + 7;
	*directory = none;
	if (slash != NULL) {
		*slash = '\0';
		*directory = slash + 1;
	}
	*port = strrchr(at, ':');
	if (*port != NULL && strchr(*port, ']') != NULL)
		*port = NULL; /* inside an IPv6 address */
	if (*port != NULL)
		*(*port)++ = '\0';
	return *port == NULL || ((*port)[0] != '\0' && strspn(*port, "0123456789") == strlen(*port)) ? 0 : -EINVAL;
}

/* put FILE DIRECTORY/.NAME.part, then give it its name */
static void batch_make(struct buf *batch, const struct export_parcel *p, const char *directory)
{
	const char *slash = *directory == '\0' || directory[strlen(directory) - 1] == '/' ? "" : "/";
	struct buf part = {0}, whole = {0};

	buf_printf(&part, "%s%s.%s-%s.part", directory, slash, p->run, p->name);
	buf_printf(&whole, "%s%s%s-%s", directory, slash, p->run, p->name);
	buf_puts(batch, "put ");
	put_quoted(batch, p->path);
	buf_putc(batch, ' ');
	put_quoted(batch, part.text);
	buf_puts(batch, "\nrename ");
	put_quoted(batch, part.text);
	buf_putc(batch, ' ');
	put_quoted(batch, whole.text);
	buf_putc(batch, '\n');
	buf_free(&part);
	buf_free(&whole);
}

int export_send_sftp(const struct export_parcel *p, const char *address, struct status *st)
{
	char *copy = xstrdup(address), *who, *port, *directory;
	struct buf batch = {0};
	int err = address_split(copy, &who, &port, &directory);

	if (err != 0) {
		err = status_set(st, err, "%.200s is no address such as sftp://user@host:22/directory", address);
	} else {
		char *argv[] = {"sftp",
				"-q",
				"-b",
				"-",
				"-oBatchMode=yes",
				"-oConnectTimeout=20",
				"-P",
				port != NULL ? port : "22",
				"--",
				who,
				NULL};

		batch_make(&batch, p, directory);
		err = run(p, argv, batch.text, st);
	}
	buf_free(&batch);
	free(copy);
	return err;
}

int export_send_command(const struct export_parcel *p, const char *program, struct status *st)
{
	char *argv[] = {(char *)program, (char *)p->path, (char *)p->run, (char *)p->carrier, (char *)p->name, NULL};

	return run(p, argv, "", st);
}
