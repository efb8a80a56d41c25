/* SPDX-License-Identifier: Apache-2.0 */
/* tandem-apid: the REST API. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/answers.h"
#include "api/events.h"
#include "api/exporter.h"
#include "api/importer.h"
#include "api/limit.h"
#include "api/metrics.h"
#include "api/openapi.h"
#include "api/pool.h"
#include "api/server.h"
#include "api/service.h"
#include "api/static.h"
#include "api/watch.h"
#include "billing/alert.h"
#include "config.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "lib/random.h"
#include "lib/thread.h"
#include "routing/portability.h"

#define WORKERS 8
#define PORTED_SEATS 2			 /* of them may wait for a look-up of ported numbers */
#define ANSWERS_BYTES ((size_t)32 << 20) /* some 15,000 CDRs */
#define STOP_LIMIT_MS 10000

enum { EXIT_USAGE = 2 };

static const char usage[] = "Usage: tandem-apid [-c FILE] [-t]\n"
			    "The REST API of tandem: carriers, trunks, rates, routes, live calls, CDRs.\n"
			    "\n"
			    "  -c FILE      configuration (default " SETTINGS_PATH ")\n"
			    "  -t           check the configuration and exit\n"
			    "  --openapi    print the OpenAPI description and exit\n"
			    "  --help       print this and exit\n"
			    "  --version    print the version and exit\n";

struct options {
	const char *path;
	bool test;
	int done; /* exit with this status at once, -1: go on */
};

static struct options options_parse(int argc, char **argv)
{
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
					      {"version", no_argument, NULL, 'v'},
					      {"openapi", no_argument, NULL, 'o'},
					      {0}};
	struct options o = {.path = SETTINGS_PATH, .done = -1};
	char *description;
	int c;

	while (o.done < 0 && (c = getopt_long(argc, argv, "c:t", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.path = optarg;
			break;
		case 't':
			o.test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			o.done = EXIT_SUCCESS;
			break;
		case 'v':
			puts("tandem-apid " PACKAGE_VERSION);
			o.done = EXIT_SUCCESS;
			break;
		case 'o':
			description = openapi_make();
			puts(description);
			free(description);
			o.done = EXIT_SUCCESS;
			break;
		default:
			o.done = EXIT_USAGE;
		}
	}
	if (o.done < 0 && optind < argc) {
		fprintf(stderr, "tandem-apid: %s: unexpected argument; see tandem-apid --help\n", argv[optind]);
		o.done = EXIT_USAGE;
	}
	return o;
}

static int alerts_start(struct service *s, struct status *st)
{
	const struct alert_options o = {
		.database_url = s->settings->database_url,
		.mail_to = s->settings->alert_mail,
		.mail_from = s->settings->alert_mail_from,
		.sendmail = s->settings->alert_sendmail,
		.webhook = s->settings->alert_webhook,
	};
	return alert_start(&s->alerts, &o, st);
}

static int ported_start(struct service *s, struct status *st)
{
	const struct portability_options o = {
		.lookup = s->settings->portability_lookup,
		.prefixes = s->settings->portability_prefixes,
		.dns_servers = s->settings->dns_servers,
		.timeout_ms = s->settings->portability_timeout_ms,
		.cache_ms = s->settings->portability_cache_ms,
	};
	return portability_desk_new(&s->ported, &o, PORTED_SEATS, st);
}

static int parts_start(struct service *s, struct watch **watch, struct server **server, struct status *st)
{
	s->description = openapi_make();
	packed_make(&s->openapi, s->description, strlen(s->description));
	static_pack();
	s->metrics = metrics_new();
	s->answers = answers_new(ANSWERS_BYTES);
	s->by_key = limit_new(s->settings->api_key_rate);
	s->by_address = limit_new(s->settings->api_address_rate);
	s->events = events_start(s->settings->redis_url);
	*watch = watch_start(s); /* it looks at the events' keys */
	s->importer = importer_start(s);
	s->exporter = exporter_start(s);
	int err = alerts_start(s, st);
	if (err == 0)
		err = ported_start(s, st);
	if (err != 0)
		return err;
	s->pool = pool_new(s, WORKERS);
	if (*watch == NULL || s->importer == NULL || s->exporter == NULL || s->events == NULL || s->pool == NULL)
		return status_set(st, -EAGAIN, "no threads can be had");
	return server_start(server, s, st);
}

/* In the order in which nothing is missed: no new requests, then answers, jobs, streams, sockets. */
static void parts_stop(struct service *s, struct watch **watch, struct server **server)
{
	if (*server != NULL)
		server_quiesce(*server, STOP_LIMIT_MS);
	pool_stop(s->pool);
	importer_stop(&s->importer);
	alert_stop(&s->alerts);
	exporter_stop(&s->exporter);
	if (s->events != NULL)
		events_close(s->events);
	server_stop(server);
	pool_free(&s->pool); /* until then a connection that stayed open could ask for more */
	watch_stop(watch);
	events_free(&s->events);
	metrics_free(&s->metrics);
	answers_free(&s->answers);
	portability_desk_free(&s->ported);
	limit_free(&s->by_key);
	limit_free(&s->by_address);
	static_unpack();
	packed_free(&s->openapi);
	free(s->description);
}

/* What SIGHUP takes over: the file's reloadable settings, and a certificate that was renewed. */
static void settings_again(struct server *server, const char *path, const struct settings *old)
{
	struct settings *fresh;
	struct status st = {0};
	char quoted[600];

	sd_notify(0, "RELOADING=1");
	if (settings_reload(path, old, &fresh, &st) != 0) {
		log_event(LOG_LEVEL_ERROR, "settings not reloaded, the old ones stay", "error=%s",
			  log_quote(st.text, quoted, sizeof(quoted)));
	} else {
		log_set_level((enum log_level)fresh->log_level);
		settings_free(&fresh);
		if (server_renew(server, &st) != 0)
			log_event(LOG_LEVEL_ERROR, "certificate not renewed, the old one stays", "error=%s",
				  log_quote(st.text, quoted, sizeof(quoted)));
		else
			log_event(LOG_LEVEL_INFO, "settings reloaded", "file=%s", path);
	}
	sd_notify(0, "READY=1");
}

/* Until SIGTERM or SIGINT, which is returned. */
static int attend(const sigset_t *signals, struct server *server, const char *path, const struct settings *settings)
{
	int number = 0;

	while (sigwait(signals, &number) != 0 || number == SIGHUP)
		settings_again(server, path, settings);
	return number;
}

static int serve(const char *path, const struct settings *settings)
{
	struct service s = {.settings = settings};
	struct server *server = NULL;
	struct watch *watch = NULL;
	struct status st = {0};
	char quoted[600];
	sigset_t signals;

	/* Threads inherit the mask: signals come to this one alone, by sigwait. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	snprintf(s.instance, sizeof(s.instance), "%.64s/%d/%08" PRIx32, settings->node_id, (int)getpid(),
		 (uint32_t)random_u64());

	int err = parts_start(&s, &watch, &server, &st);
	if (err != 0) {
		log_event(LOG_LEVEL_ERROR, "not started", "error=%s", log_quote(st.text, quoted, sizeof(quoted)));
	} else {
		log_event(LOG_LEVEL_INFO, "listening", "address=%s port=%d tls=%s version=%s", settings->api_listen,
			  server_port(server), settings->api_tls_certificate[0] != '\0' ? "on" : "off",
			  PACKAGE_VERSION);
		sd_notify(0, "READY=1");
		log_event(LOG_LEVEL_INFO, "stopping", "signal=%d", attend(&signals, server, path, settings));
		sd_notify(0, "STOPPING=1");
	}
	parts_stop(&s, &watch, &server);
	return err == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct options o = options_parse(argc, argv);
	struct settings *settings = NULL;
	struct status st = {0};

	if (o.done >= 0)
		return o.done;
	if (settings_load(o.path, &settings, &st) != 0) {
		fprintf(stderr, "tandem-apid: %s\n", st.text);
		return EXIT_FAILURE;
	}
	log_set_level((enum log_level)settings->log_level);
	if (!o.test)
		process_settle((int)settings->api_nice);
	int status = o.test ? EXIT_SUCCESS : serve(o.path, settings);
	settings_free(&settings);
	return status;
}
