/* SPDX-License-Identifier: Apache-2.0 */
#include "billing/alert.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "billing/store_alert.h"
#include "billing/webhook.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/json_read.h"
#include "lib/log.h"
#include "lib/pg.h"

enum { LOOK_MS = 1000, LIMIT_MS = 5000, STATEMENT_MS = 3000, STEP_MS = 20 };

extern char **environ;

struct alert_sender {
	struct alert_options o;
	struct webhook_url webhook;
	pthread_t thread;
	_Atomic bool stop;
	struct pg *pg;
	bool told_away;
};

static void rest(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	nanosleep(&t, NULL);
}

/* ---- mail ---- */

/* A header's value: what a carrier is called must not begin another line. */
static void put_line(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_putc(out, (unsigned char)*text < ' ' ? ' ' : *text);
}

static void put_mail(struct buf *out, const struct alert_options *o, const json_t *alert)
{
	bool low = strcmp(json_read_text(alert, "kind"), "low_balance") == 0;

	buf_printf(out, "From: %s\nTo: %s\nSubject: tandem: ", o->mail_from, o->mail_to);
	put_line(out, json_read_text(alert, "carrier_name"));
	buf_printf(out, "%s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n",
		   low ? " has little money left" : " is owed more than its limit");
	buf_puts(out, "Carrier ");
	put_line(out, json_read_text(alert, "carrier_name"));
	buf_printf(out, " (%" JSON_INTEGER_FORMAT ")\nBalance %s %s, %s %s, at %s\n",
		   json_integer_value(json_object_get(alert, "carrier_id")), json_read_text(alert, "balance"),
		   json_read_text(alert, "currency"), low ? "below" : "above the limit of",
		   json_read_text(alert, "threshold"), json_read_text(alert, "raised_at"));
}

/* A child without our signal mask, its standard input the pipe's end, its output ours. 0 or -errno */
static int spawn(const char *program, int input, pid_t *pid)
{
	char *const argv[] = {(char *)program, "-t", "-i", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, usual;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &usual);
	int err = -posix_spawn(pid, program, &files, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return err;
}

static int await_child(pid_t pid, const char *program, struct status *st)
{
	int64_t until_us = clock_mono_us() + LIMIT_MS * 1000;
	int code = 0;
	pid_t ended;

	while ((ended = waitpid(pid, &code, WNOHANG)) == 0 && clock_mono_us() < until_us)
		rest(STEP_MS);
	if (ended == 0) {
		kill(pid, SIGKILL);
		waitpid(pid, &code, 0);
		return status_set(st, -ETIMEDOUT, "%s did not end in time", program);
	}
	if (ended < 0 || !WIFEXITED(code) || WEXITSTATUS(code) != 0)
		return status_set(st, -EIO, "%s failed with status %d", program,
				  WIFEXITED(code) ? WEXITSTATUS(code) : -1);
	return 0;
}

static int send_mail(const struct alert_options *o, const json_t *alert, struct status *st)
{
	struct buf mail = {0};
	int end[2];
	pid_t pid;

	if (pipe2(end, O_CLOEXEC) < 0)
		return status_set(st, -errno, "no pipe: %s", strerror(errno));
	int err = spawn(o->sendmail, end[0], &pid);
	close(end[0]);
	if (err == 0) {
		put_mail(&mail, o, alert);
		ssize_t n = write(end[1], mail.text, mail.len); /* a pipe takes 64 KiB at once; a mail is far smaller */
		close(end[1]);
		err = await_child(pid, o->sendmail, st);
		if (err == 0 && n != (ssize_t)mail.len)
			err = status_set(st, -EIO, "%s did not read the mail", o->sendmail);
	} else {
		close(end[1]);
		(void)status_set(st, err, "%s: %s", o->sendmail, strerror(-err));
	}
	buf_free(&mail);
	return err;
}

/* ---- webhook ---- */

static int send_hook(const struct webhook_url *url, const json_t *alert, struct status *st)
{
	json_t *event = json_pack("{ss sO}", "event", "alert.raised", "alert", alert);
	char *text = event != NULL ? json_dumps(event, JSON_COMPACT) : NULL;
	struct status why = {""};
	int err = text != NULL ? webhook_post(url, text, LIMIT_MS, &why) : -ENOMEM;

	free(text);
	json_decref(event);
	return err == 0 ? 0 : status_set(st, err, "webhook: %s", why.text);
}

/* ---- the thread ---- */

/* Send one that is due. 1 sent or tried, 0 none is due, or as pg_exec */
static int send_next(struct alert_sender *a, struct status *st)
{
	const char *wanted[] = {a->o.mail_to[0] != '\0' ? "t" : "f", a->o.webhook[0] != '\0' ? "t" : "f"};
	struct status why = {""};
	char reason[600];
	PGresult *r;
	int err = pg_exec(a->pg, &store_alert_claim, wanted, &r, st);

	if (err != 0)
		return err;
	if (PQntuples(r) == 0) {
		PQclear(r);
		return 0;
	}
	json_t *alert = json_loads(PQgetvalue(r, 0, 1), 0, NULL);
	bool mail = PQgetvalue(r, 0, 2)[0] == 't', hook = PQgetvalue(r, 0, 3)[0] == 't';
	bool mailed = mail && send_mail(&a->o, alert, &why) == 0;
	bool posted = hook && send_hook(&a->webhook, alert, &why) == 0;
	if (why.text[0] != '\0')
		log_event(LOG_LEVEL_WARN, "alert not sent, it will be tried again", "alert=%s reason=%s",
			  PQgetvalue(r, 0, 0), log_quote(why.text, reason, sizeof(reason)));
	const char *params[] = {PQgetvalue(r, 0, 0), mailed ? "t" : "f", posted ? "t" : "f",
				why.text[0] != '\0' ? why.text : NULL};
	err = pg_exec(a->pg, &store_alert_sent, params, NULL, st);
	json_decref(alert);
	PQclear(r);
	return err == 0 ? 1 : err;
}

static int turn(struct alert_sender *a, struct status *st)
{
	int err = pg_exec(a->pg, &store_alerts_update, NULL, NULL, st);

	while (err == 0 && !atomic_load(&a->stop)) {
		int sent = send_next(a, st);
		if (sent <= 0)
			return sent;
	}
	return err;
}

static void *sender_thread(void *arg)
{
	struct alert_sender *a = arg;
	char reason[600];

	pthread_setname_np(pthread_self(), "alerts");
	while (!atomic_load(&a->stop)) {
		struct status st = {""};
		int err = turn(a, &st);

		if (err != 0 && !a->told_away)
			log_event(LOG_LEVEL_WARN, "alerts wait for the database", "reason=%s",
				  log_quote(st.text, reason, sizeof(reason)));
		a->told_away = err != 0;
		for (int ms = 0; ms < LOOK_MS && !atomic_load(&a->stop); ms += STEP_MS)
			rest(STEP_MS);
	}
	return NULL;
}

static void sender_release(struct alert_sender **a)
{
	pg_free(&(*a)->pg);
	free(*a);
	*a = NULL;
}

int alert_start(struct alert_sender **out, const struct alert_options *options, struct status *st)
{
	struct alert_sender *a = xcalloc(1, sizeof(*a));
	int err = 0;

	a->o = *options;
	if (options->webhook[0] != '\0')
		err = webhook_parse(options->webhook, &a->webhook, st);
	a->pg = pg_new(&(struct pg_options){.url = options->database_url,
					    .application_name = "tandem-apid alerts",
					    .statement_timeout_ms = STATEMENT_MS});
	if (err == 0) {
		err = -pthread_create(&a->thread, NULL, sender_thread, a);
		if (err != 0)
			(void)status_set(st, err, "cannot start the thread that sends alerts: %s", strerror(-err));
	}
	if (err != 0)
		sender_release(&a);
	else
		*out = a;
	return err;
}

void alert_stop(struct alert_sender **a)
{
	if (*a == NULL)
		return;
	atomic_store(&(*a)->stop, true);
	pthread_join((*a)->thread, NULL);
	sender_release(a);
}
