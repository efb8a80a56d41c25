/* SPDX-License-Identifier: Apache-2.0 */
/* tandemd - the switch: SIP in, SIP out, routing, rating, CDRs. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/thread.h"
#include "settings/settings.h"
#include "switch/node.h"
#include "switch/siptime.h"
#include "switch/stack.h"
#include "switch/worker.h"

enum { STOP_US = 30 * 1000 * 1000 }; /* hanging up, the last CDRs: what node_stop takes at most */

/* jemalloc reads it at start. A finished call's transactions live on for 32 s (RFC 3261 timers): memory of that age is
 * used again soon, so it is not worth giving back. No huge pages for all of it: they cost the SIP thread a tenth more.
 */
extern const char *malloc_conf;
const char *malloc_conf = "dirty_decay_ms:60000,muzzy_decay_ms:60000";

struct arguments {
	const char *path;
	bool test;
};

static void usage(FILE *out)
{
	fputs("usage: tandemd [-c FILE] [-t]\n"
	      "\n"
	      "The switch: takes calls in by SIP, routes, rates and records them. Runs in the foreground.\n"
	      "\n"
	      "  -c FILE     settings (default " SETTINGS_PATH ")\n"
	      "  -t          check the settings, print the first error with file and line, and exit\n"
	      "  --help      this text\n"
	      "  --version   the version\n"
	      "\n"
	      "SIGTERM, SIGINT  refuse new calls, let live ones go on for drain_timeout, then hang up; all CDRs are "
	      "durable at exit\n"
	      "SIGHUP           read the settings again; a bad file is refused whole\n",
	      out);
}

/* returns -1: go on; else the exit status */
static int arguments_read(int argc, char **argv, struct arguments *a)
{
	static const struct option option[] = {
		{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, {0}};
	*a = (struct arguments){.path = SETTINGS_PATH};
	for (int c; (c = getopt_long(argc, argv, "c:t", option, NULL)) != -1;) {
		switch (c) {
		case 'c':
			a->path = optarg;
			break;
		case 't':
			a->test = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("tandemd " PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	return -1;
}

static void settings_again(struct node *n, const char *path, struct settings **settings)
{
	struct settings *fresh;
	struct status st = {""};
	char quoted[600];

	sd_notify(0, "RELOADING=1");
	if (settings_reload(path, *settings, &fresh, &st)) {
		log_event(LOG_LEVEL_ERROR, "settings not reloaded, the old ones stay", "error=%s",
			  log_quote(st.text, quoted, sizeof quoted));
	} else {
		node_reload(n, fresh);
		/* The node goes on to read the settings of its start: what cannot be reloaded is the same in both. */
		settings_free(&fresh);
		log_event(LOG_LEVEL_INFO, "settings reloaded", "file=%s", path);
	}
	sd_notify(0, "READY=1");
}

static void drain(struct node *n, const sigset_t *signals)
{
	int64_t drain_us = atomic_load(&n->drain_timeout_ms) * 1000, deadline = clock_mono_us() + drain_us;
	const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};

	/* The unit's TimeoutStopSec counts from the end of the draining, however long that is set. */
	sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld", (long long)drain_us + STOP_US);
	node_drain(n);
	log_event(LOG_LEVEL_INFO, "draining", "live_calls=%lld", (long long)node_live_calls(n));
	while (node_live_calls(n) > 0 && clock_mono_us() < deadline)
		if (sigtimedwait(signals, NULL, &pause) == SIGINT)
			break; /* asked twice: now */
}

/* systemd's watchdog is fed only if every worker has turned its loop since it was fed last. */
struct watch {
	bool wanted;
	_Atomic int answers; /* of the present round */
	int asked;	     /* workers that were asked in it */
};

static void on_asked(struct worker *w, void *arg)
{
	atomic_fetch_add((_Atomic int *)arg, 1);
}

static void watch_turn(struct watch *watch, struct node *n)
{
	if (!watch->wanted || atomic_load(&watch->answers) < watch->asked)
		return;
	sd_notify(0, "WATCHDOG=1");
	atomic_store(&watch->answers, 0);
	watch->asked = n->workers;
	for (int i = 0; i < n->workers; i++)
		if (worker_post(n->worker[i], on_asked, &watch->answers)) /* no memory: no sign of one that hangs */
			atomic_fetch_add(&watch->answers, 1);
}

static void wait_for_the_end(struct node *n, const char *path, struct settings **settings, const sigset_t *signals)
{
	static struct watch watch; /* workers write to it until they end */
	uint64_t watchdog_us = 0;
	struct timespec pause = {.tv_sec = 3600};

	if (sd_watchdog_enabled(0, &watchdog_us) > 0 && watchdog_us) {
		watch.wanted = true;
		pause = (struct timespec){.tv_sec = (time_t)(watchdog_us / 4 / 1000000),
					  .tv_nsec = (long)(watchdog_us / 4 % 1000000) * 1000};
	}
	for (;;) {
		int signal = sigtimedwait(signals, NULL, &pause);
		if (signal == SIGHUP)
			settings_again(n, path, settings);
		else if (signal == SIGTERM || signal == SIGINT)
			return;
		watch_turn(&watch, n);
	}
}

static int run(const char *path, struct settings **settings, const sigset_t *signals)
{
	struct status st = {""};
	struct node *n;
	char quoted[600];

	if (node_start(&n, *settings, &st)) {
		log_event(LOG_LEVEL_ERROR, "cannot start", "error=%s", log_quote(st.text, quoted, sizeof quoted));
		return 1;
	}
	log_event(LOG_LEVEL_INFO, "ready", "version=%s node=%s workers=%d", PACKAGE_VERSION, (*settings)->node_id,
		  n->workers);
	sd_notify(0, "READY=1");
	wait_for_the_end(n, path, settings, signals);
	drain(n, signals);
	node_stop(&n);
	log_event(LOG_LEVEL_INFO, "stopped", NULL);
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments a;
	struct settings *settings;
	struct status st = {""};
	sigset_t signals;

	int done = arguments_read(argc, argv, &a);
	if (done >= 0)
		return done;
	if (settings_load(a.path, &settings, &st)) {
		fprintf(stderr, "tandemd: %s\n", st.text);
		return 1;
	}
	if (a.test) {
		settings_free(&settings);
		return 0;
	}
	/* All threads inherit these blocked: signals are waited for here alone. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	log_set_level((enum log_level)settings->log_level);
	session_settle(WORKER_NICE);
	siptime_start();
	su_init();
	su_log_set_level(NULL, 0);
	done = run(a.path, &settings, &signals);
	su_deinit();
	settings_free(&settings);
	return done;
}
