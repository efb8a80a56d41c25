/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "lib/redis.h"

#define SIP_PORT 5060
#define SIPS_PORT 5061

static const char *const unknown_sources[] = {"reject", "drop", NULL};
static const char *const without_redis[] = {"refuse", "admit", NULL};
static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

/* --- values of kinds of their own --- */

/* 1..65535 in text[0..len) */
static int parse_port(const char *text, size_t len, int *port)
{
	int value = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (text[i] - '0');
	}
	if (value < 1 || value > 65535)
		return -EINVAL;
	*port = value;
	return 0;
}

/* A.B.C.D[:port] or [v6][:port] */
static int parse_address(const char *text, int default_port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	bool bracket = *text == '[';
	const char *host = text + bracket;
	size_t len = strcspn(host, bracket ? "]" : ":");
	const char *rest = host + len;
	char copy[INET6_ADDRSTRLEN];
	int port = default_port;

	if (bracket && *rest++ != ']')
		return -EINVAL;
	if (*rest == ':' ? parse_port(rest + 1, strlen(rest + 1), &port) != 0 : *rest != '\0' || port == 0)
		return -EINVAL;
	if (len == 0 || len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, host, len);
	copy[len] = '\0';

	memset(out, 0, sizeof(*out));
	if (bracket) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, copy, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static int parse_listener(const char *text, struct settings_listener *out)
{
	static const char *const transports[] = {"udp:", "tcp:", "tls:"};

	if (strlen(text) >= sizeof(out->text))
		return -EINVAL;
	for (int i = SETTINGS_UDP; i <= SETTINGS_TLS; i++) {
		if (strncmp(text, transports[i], 4) != 0)
			continue;
		out->transport = (enum settings_transport)i;
		strcpy(out->text, text);
		return parse_address(text + 4, i == SETTINGS_TLS ? SIPS_PORT : SIP_PORT, &out->address);
	}
	return -EINVAL;
}

static bool listener_same(const struct settings_listener *a, const struct settings_listener *b)
{
	return a->transport == b->transport && memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static int add_listener(struct settings_listeners *list, const char *text, struct status *st)
{
	struct settings_listener one = {0};

	if (parse_listener(text, &one) != 0)
		return status_set(
			st, -EINVAL,
			"names \"%.80s\"; write udp:, tcp: or tls:, a numeric address (IPv6 in brackets) and :port",
			text);
	for (int i = 0; i < list->n; i++) {
		if (listener_same(&list->item[i], &one))
			return status_set(st, -EINVAL, "names %s twice", one.text);
	}
	list->item = xrealloc(list->item, (size_t)(list->n + 1) * sizeof(*list->item));
	list->item[list->n++] = one;
	return 0;
}

static int check_listen(const char *value, void *field, struct status *st)
{
	struct settings_listeners list = {0}, *out = field;
	char *copy = xstrdup(value), *save = NULL;
	int err = 0;

	for (char *p = strtok_r(copy, ", \t", &save); p != NULL && err == 0; p = strtok_r(NULL, ", \t", &save))
		err = add_listener(&list, p, st);
	if (err == 0 && list.n == 0)
		err = status_set(st, -EINVAL, "is empty; name at least one listener");
	free(copy);
	if (err != 0) {
		free(list.item);
		return err;
	}
	free(out->item);
	*out = list;
	return 0;
}

static void release_listen(void *field)
{
	struct settings_listeners *list = field;

	free(list->item);
	*list = (struct settings_listeners){0};
}

static int check_worker_ports(const char *value, void *field, struct status *st)
{
	struct settings_ports ports = {0}, *out = field;
	size_t len = strcspn(value, "-");

	if (*value != '\0' &&
	    (value[len] != '-' || parse_port(value, len, &ports.first) != 0 ||
	     parse_port(value + len + 1, strlen(value + len + 1), &ports.last) != 0 || ports.first > ports.last))
		return status_set(st, -EINVAL, "is not a range of ports; write 5070-5085");
	*out = ports;
	return 0;
}

static int check_workers(const char *value, void *field, struct status *st)
{
	int64_t *out = field;
	char *end;
	long n = strtol(value, &end, 10);

	if (strcmp(value, "auto") == 0) {
		*out = 0;
		return 0;
	}
	if (value[0] < '0' || value[0] > '9' || *end != '\0' || n < 1 || n > 64)
		return status_set(st, -EINVAL, "is neither auto nor a number from 1 to 64");
	*out = n;
	return 0;
}

static int check_node_id(const char *value, void *field, struct status *st)
{
	size_t len = strlen(value);

	(void)field;
	if (len < 1 || len > 64 ||
	    value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
		return status_set(st, -EINVAL, "is no node id; give 1 to 64 of A-Z a-z 0-9 . _ -");
	return 0;
}

static int check_advertise(const char *value, void *field, struct status *st)
{
	struct in6_addr v6;
	struct in_addr v4;

	(void)field;
	if (*value != '\0' && inet_pton(AF_INET, value, &v4) != 1 && inet_pton(AF_INET6, value, &v6) != 1)
		return status_set(st, -EINVAL, "is not a numeric address");
	return 0;
}

static int check_database_url(const char *value, void *field, struct status *st)
{
	(void)field;
	if (*value == '\0')
		return status_set(st, -EINVAL, "is empty; give a libpq URI such as postgresql:///tandem");
	return 0;
}

static int check_absolute(const char *value, void *field, struct status *st)
{
	(void)field;
	if (*value != '/')
		return status_set(st, -EINVAL, "is not an absolute path");
	return 0;
}

static int check_absolute_or_none(const char *value, void *field, struct status *st)
{
	return *value == '\0' ? 0 : check_absolute(value, field, st);
}

static int check_api_listen(const char *value, void *field, struct status *st)
{
	struct sockaddr_storage address;

	(void)field;
	if (parse_address(value, 0, &address) != 0)
		return status_set(st, -EINVAL, "is not a numeric address and port; write 127.0.0.1:8080 or [::1]:8080");
	return 0;
}

/* host:port list; names are resolved later */
static int check_rtpengine(const char *value, void *field, struct status *st)
{
	char *copy = xstrdup(value), *save = NULL;
	int err = 0, port;

	(void)field;
	for (char *p = strtok_r(copy, ", \t", &save); p != NULL && err == 0; p = strtok_r(NULL, ", \t", &save)) {
		const char *colon = strrchr(p, ':');

		if (colon == NULL || colon == p || parse_port(colon + 1, strlen(colon + 1), &port) != 0 ||
		    (*p != '[' && strchr(p, ':') != colon) || (*p == '[' && colon[-1] != ']'))
			err = status_set(st, -EINVAL, "is not a list of host:port");
	}
	free(copy);
	return err;
}

/* the URL may hold a password: it is not shown */
static int check_webhook(const char *value, void *field, struct status *st)
{
	(void)field;
	if (value[0] == '\0' || strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0)
		return 0;
	return status_set(st, -EINVAL, "must begin with http:// or https://");
}

static int check_redis_url(const char *value, void *field, struct status *st)
{
	struct redis_address address;

	(void)field;
	return redis_address_parse(value, &address, st);
}

/* what switch/lrn.h reads */
static int check_portability(const char *value, void *field, struct status *st)
{
	const char *path = strncmp(value, "http://", 7) == 0 ? strchr(value + 7, '/') : NULL;
	const char *number = path != NULL ? strchr(path, '%') : NULL;

	(void)field;
	if (*value == '\0' || (strncmp(value, "enum:", 5) == 0 && value[5] != '\0'))
		return 0;
	if (number == NULL || number[1] != 's' || strchr(number + 1, '%') != NULL)
		return status_set(st, -EINVAL,
				  "is neither http://host:port/path with one %%s for the number nor enum:zone");
	return 0;
}

/* --- the table --- */

#define AT(member) .offset = offsetof(struct settings, member)

const struct conf_option settings_table[] = {
	{"node", "id", CONF_TEXT, AT(node_id), .check = check_node_id,
	 .meaning = "name of this node, unique in the cluster; default: the host name"},

	{"sip", "listen", CONF_CUSTOM, AT(listen), .fallback = "udp:127.0.0.1:5060", .check = check_listen,
	 .release = release_listen,
	 .meaning =
		 "where SIP comes in: udp:, tcp: or tls: with address and port, several with commas; IPv6 in brackets"},
	{"sip", "advertise", CONF_TEXT, AT(advertise), .fallback = "", .check = check_advertise,
	 .meaning = "address to put in Via and Contact when behind NAT"},
	{"sip", "workers", CONF_CUSTOM, AT(workers), .fallback = "auto", .check = check_workers,
	 .meaning = "SIP threads, 1 to 64; auto: one a core"},
	{"sip", "unknown_source", CONF_CHOICE, AT(unknown_source), .fallback = "reject", .choices = unknown_sources,
	 .reloadable = true, .meaning = "what a request from an unknown address gets: reject (403) or drop (silence)"},
	{"sip", "max_cps", CONF_INT, AT(max_cps), .fallback = "0", .max = 1000000, .reloadable = true,
	 .meaning = "new calls a second on this node; 0: no limit"},
	{"sip", "t1", CONF_DURATION_MS, AT(t1_ms), .fallback = "500ms", .min = 100, .max = 5000,
	 .meaning = "SIP timer T1 (RFC 3261 section 17), 100ms to 5s"},
	{"sip", "invite_timeout", CONF_DURATION_MS, AT(invite_timeout_ms), .fallback = "180s", .min = 1000,
	 .max = 3600000, .reloadable = true, .meaning = "how long a call may ring, over all attempts"},
	{"sip", "dialog_check", CONF_DURATION_MS, AT(dialog_check_ms), .fallback = "600s", .max = 86400000,
	 .meaning =
		 "how often OPTIONS asks inside a call whether a side without session timer is still there; 0s: never"},
	{"sip", "drain_timeout", CONF_DURATION_MS, AT(drain_timeout_ms), .fallback = "0s", .max = 86400000,
	 .reloadable = true, .meaning = "how long live calls go on after SIGTERM before they are hung up"},
	{"sip", "worker_ports", CONF_CUSTOM, AT(worker_ports), .fallback = "", .check = check_worker_ports,
	 .meaning = "a port a worker to name in Via and Contact, e.g. 5070-5085; TCP and TLS with several workers need "
		    "it"},
	{"sip", "dns_servers", CONF_TEXT, AT(dns_servers), .fallback = "",
	 .meaning = "name servers for vendors' hosts, e.g. 10.0.0.53, [2001:db8::53]:5353; empty: the system's"},
	{"sip", "tls_certificate", CONF_TEXT, AT(sip_tls_certificate), .fallback = "",
	 .meaning = "PEM file with the certificate chain of the tls listeners"},
	{"sip", "tls_key", CONF_TEXT, AT(sip_tls_key), .fallback = "", .meaning = "PEM file with its private key"},
	{"sip", "tls_ca", CONF_TEXT, AT(sip_tls_ca), .fallback = "",
	 .meaning = "PEM file with the authorities that vendors' certificates are checked against; empty: they are not "
		    "checked"},

	{"database", "url", CONF_TEXT, AT(database_url), .fallback = "postgresql:///tandem",
	 .check = check_database_url, .secret = true,
	 .meaning = "PostgreSQL, as a libpq URI; several hosts may be named"},
	{"redis", "url", CONF_TEXT, AT(redis_url), .fallback = "redis://127.0.0.1:6379/0", .check = check_redis_url,
	 .secret = true, .meaning = "Redis: redis://, unix:///path or redis+sentinel://host,host/name"},
	{"billing", "without_redis", CONF_CHOICE, AT(without_redis), .fallback = "refuse", .choices = without_redis,
	 .meaning = "new calls of prepaid and limited carriers while Redis is away: refuse (503), or admit by what "
		    "this node knows"},
	{"billing", "seal_key", CONF_TEXT, AT(seal_key), .fallback = "",
	 .meaning = "PEM file with the Ed25519 private key that signs the daily roots of the CDR chains"},
	{"portability", "lookup", CONF_TEXT, AT(portability_lookup), .fallback = "", .check = check_portability,
	 .meaning = "who knows the routing number of ported numbers: http://host:port/path with %s for the number, or "
		    "enum:zone; empty: nobody is asked"},
	{"portability", "prefixes", CONF_TEXT, AT(portability_prefixes), .fallback = "",
	 .meaning = "only for called numbers that begin with one of these, e.g. 1, 44; empty: all"},
	{"portability", "timeout", CONF_DURATION_MS, AT(portability_timeout_ms), .fallback = "300ms", .min = 10,
	 .max = 5000, .meaning = "how long a call waits for the answer; without one it goes by the dialled number"},
	{"portability", "cache", CONF_DURATION_MS, AT(portability_cache_ms), .fallback = "1h", .max = 2592000000,
	 .meaning = "how long an answer is kept in Redis; 0s: not at all"},
	{"spool", "dir", CONF_TEXT, AT(spool_dir), .fallback = "/var/lib/tandem/spool", .check = check_absolute,
	 .meaning = "where CDRs wait, on disk, until PostgreSQL has them"},
	{"spool", "keep", CONF_DURATION_MS, AT(spool_keep_ms), .fallback = "2m", .max = 86400000,
	 .meaning =
		 "how long CDRs stay on disk after PostgreSQL has confirmed them, to be posted again if a standby that "
		 "lacks them takes over"},
	{"media", "rtpengine", CONF_TEXT, AT(rtpengine), .fallback = "", .check = check_rtpengine,
	 .meaning = "host:port of rtpengine's ng socket, several with commas; empty: media goes past the switch"},
	{"api", "listen", CONF_TEXT, AT(api_listen), .fallback = "127.0.0.1:8080", .check = check_api_listen,
	 .meaning = "where the API and the console listen"},
	{"api", "tls_certificate", CONF_TEXT, AT(api_tls_certificate), .fallback = "",
	 .meaning = "PEM file with the API's certificate chain; empty: plain HTTP"},
	{"api", "tls_key", CONF_TEXT, AT(api_tls_key), .fallback = "", .meaning = "PEM file with its private key"},
	{"api", "nice", CONF_INT, AT(api_nice), .fallback = "5", .max = 19,
	 .meaning = "how far tandem-apid steps back behind calls when the processor is short (nice value)"},
	{"api", "key_rate", CONF_INT, AT(api_key_rate), .fallback = "2000", .max = 1000000,
	 .meaning = "requests a second that one key may make; 0 = no limit"},
	{"api", "address_rate", CONF_INT, AT(api_address_rate), .fallback = "50", .max = 1000000,
	 .meaning = "refused keys a second from one address, before none of it is looked at; 0 = no limit"},
	{"export", "dir", CONF_TEXT, AT(export_dir), .fallback = "/var/lib/tandem/export", .check = check_absolute,
	 .meaning = "where CDR export files are written"},
	{"archive", "keep_days", CONF_INT, AT(archive_keep_days), .fallback = "400", .min = 1, .max = 36500,
	 .meaning = "days of CDRs before today (UTC) that stay in the database when tandem cdr archive runs"},
	{"archive", "dir", CONF_TEXT, AT(archive_dir), .fallback = "", .check = check_absolute_or_none,
	 .meaning = "where it writes older days, and then drops their tables; empty: they stay, detached"},
	{"invoice", "font", CONF_TEXT, AT(invoice_font), .fallback = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
	 .check = check_absolute,
	 .meaning = "TrueType file that PDFs of invoices are set in; the default is of fonts-dejavu-core"},
	{"invoice", "font_bold", CONF_TEXT, AT(invoice_font_bold),
	 .fallback = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", .check = check_absolute,
	 .meaning = "the same for headings and totals"},
	{"alerts", "mail", CONF_TEXT, AT(alert_mail), .fallback = "",
	 .meaning = "who is told by mail of alerts: addresses, with commas between; empty: nobody"},
	{"alerts", "mail_from", CONF_TEXT, AT(alert_mail_from), .fallback = "tandem", .meaning = "who sends that mail"},
	{"alerts", "sendmail", CONF_TEXT, AT(alert_sendmail), .fallback = "/usr/sbin/sendmail",
	 .meaning = "the program that takes the mail, as sendmail -t -i does"},
	{"alerts", "webhook", CONF_TEXT, AT(alert_webhook), .fallback = "", .check = check_webhook, .secret = true,
	 .meaning = "http:// or https:// URL that each new alert is posted to as JSON"},
	{"log", "level", CONF_CHOICE, AT(log_level), .fallback = "info", .choices = log_levels, .reloadable = true,
	 .meaning = "how much is logged: error, warn, info or debug"},
};
const size_t settings_table_rows = sizeof(settings_table) / sizeof(settings_table[0]);

/* --- options that must fit each other --- */

static int line_of(const struct settings *s, size_t offset)
{
	for (size_t i = 0; i < settings_table_rows; i++) {
		if (settings_table[i].offset == offset)
			return s->notes[i].line;
	}
	return 0;
}

static int misfit(const struct settings *s, const char *path, size_t offset, const char *what, struct status *st)
{
	return status_set(st, -EINVAL, "%.200s:%d: %s", path, line_of(s, offset), what);
}

static int check_together(const struct settings *s, const char *path, struct status *st)
{
	bool stream = false, tls = false;

	for (int i = 0; i < s->listen.n; i++) {
		stream |= s->listen.item[i].transport != SETTINGS_UDP;
		tls |= s->listen.item[i].transport == SETTINGS_TLS;
	}
	if (tls && (*s->sip_tls_certificate == '\0' || *s->sip_tls_key == '\0'))
		return misfit(s, path, offsetof(struct settings, listen),
			      "[sip] listen names tls; set tls_certificate and tls_key", st);
	if (stream && s->workers > 1 && s->worker_ports.first == 0)
		return misfit(s, path, offsetof(struct settings, workers),
			      "[sip] workers > 1 with tcp or tls; set worker_ports", st);
	if (s->worker_ports.first != 0 && s->worker_ports.last - s->worker_ports.first + 1 < s->workers)
		return misfit(s, path, offsetof(struct settings, worker_ports),
			      "[sip] worker_ports has fewer ports than there are workers", st);
	if ((*s->api_tls_certificate == '\0') != (*s->api_tls_key == '\0'))
		return misfit(s, path,
			      *s->api_tls_key == '\0' ? offsetof(struct settings, api_tls_certificate)
						      : offsetof(struct settings, api_tls_key),
			      "[api] tls_certificate and tls_key go together; set both or none", st);
	return 0;
}

static int default_node_id(struct settings *s, struct status *st)
{
	char host[65] = "";
	struct status why;

	if (s->node_id != NULL)
		return 0;
	if (gethostname(host, sizeof(host)) != 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	if (check_node_id(host, NULL, &why) != 0)
		return status_set(st, -EINVAL, "the host name can't be the node's id; set [node] id");
	s->node_id = xstrdup(host);
	return 0;
}

int settings_load(const char *path, struct settings **out, struct status *st)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	s->notes = xcalloc(settings_table_rows, sizeof(*s->notes));

	int err = conf_read_noted(path, settings_table, settings_table_rows, s, s->notes, st);
	if (err == 0)
		err = check_together(s, path, st);
	if (err == 0)
		err = default_node_id(s, st);
	if (err != 0) {
		settings_free(&s);
		return err;
	}
	*out = s;
	return 0;
}

void settings_free(struct settings **s)
{
	if (*s == NULL)
		return;
	conf_release(settings_table, settings_table_rows, *s);
	conf_notes_free(&(*s)->notes, settings_table_rows);
	free(*s);
	*s = NULL;
}

/* what the row reads in the file, or would */
static const char *written(const struct settings *s, size_t row)
{
	const char *value = s->notes[row].value != NULL ? s->notes[row].value : settings_table[row].fallback;

	return value != NULL ? value : s->node_id; /* the one row without a fixed default */
}

static int keep(const struct settings *old, struct settings *fresh, size_t row, struct status *st)
{
	const struct conf_option *o = &settings_table[row];
	const char *was = written(old, row);

	if (o->reloadable || strcmp(was, written(fresh, row)) == 0)
		return 0;
	log_event(LOG_LEVEL_WARN, "setting needs a restart", "section=%s key=%s", o->section, o->key);
	free(fresh->notes[row].value);
	fresh->notes[row].value = xstrdup(was);
	return conf_set(o, was, fresh, st);
}

int settings_reload(const char *path, const struct settings *old, struct settings **out, struct status *st)
{
	struct settings *fresh = NULL;
	int err = settings_load(path, &fresh, st);

	for (size_t i = 0; err == 0 && i < settings_table_rows; i++)
		err = keep(old, fresh, i, st);
	if (err == 0)
		*out = fresh;
	else
		settings_free(&fresh);
	return err;
}
