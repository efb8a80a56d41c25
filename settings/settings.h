/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - what /etc/tandem/tandem.conf says: the one option table of all three programs.
 * settings_load gives a whole, checked struct or an error that names the line; it never gives half of one.
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/conf.h"
#include "lib/status.h"

#define SETTINGS_PATH "/etc/tandem/tandem.conf"

enum settings_transport { SETTINGS_UDP, SETTINGS_TCP, SETTINGS_TLS };

struct settings_listener {
	enum settings_transport transport;
	struct sockaddr_storage address; /* numeric only; port always set (default 5060, tls 5061) */
	char text[80];			 /* as written: "udp:127.0.0.1:5060"; the name a trunk's `listen` uses */
};

struct settings_listeners {
	struct settings_listener *item;
	int n;
};

struct settings_ports {
	int first, last; /* 0,0: not set */
};

enum settings_unknown_source { UNKNOWN_REJECT, UNKNOWN_DROP };
enum settings_without_redis { WITHOUT_REDIS_REFUSE, WITHOUT_REDIS_ADMIT };

struct settings {
	char *node_id; /* [node] id; default host name; 1..64 of A-Z a-z 0-9 . _ - */

	struct settings_listeners listen; /* [sip] listen, for tandemd; default udp:127.0.0.1:5060 */
	char *advertise;		  /* numeric address or "" */
	int64_t workers;		  /* 0: auto, one a core */
	int unknown_source;		  /* enum settings_unknown_source */
	int64_t max_cps;		  /* 0: no limit */
	int64_t t1_ms, invite_timeout_ms, dialog_check_ms, drain_timeout_ms;
	struct settings_ports worker_ports;
	char *portability_lookup, *portability_prefixes;
	int64_t portability_timeout_ms, portability_cache_ms;
	char *dns_servers; /* "": the system's */
	char *sip_tls_certificate, *sip_tls_key, *sip_tls_ca;

	char *database_url; /* [database] url */
	char *redis_url;    /* [redis] url */
	int without_redis;  /* [billing] without_redis: enum settings_without_redis */
	char *seal_key;	    /* [billing] seal_key: "" none */
	char *spool_dir;    /* [spool] dir */
	int64_t spool_keep_ms;
	char *rtpengine; /* [media] rtpengine: "" or host:port list */

	char *alert_mail, *alert_mail_from, *alert_sendmail, *alert_webhook; /* [alerts]; "" none */

	char *api_listen; /* [api] listen: host:port, host numeric, IPv6 in brackets */
	char *api_tls_certificate, *api_tls_key;
	int64_t api_nice;			/* 0..19, 0: not set */
	int64_t api_key_rate, api_address_rate; /* requests a second, 0: no limit */

	char *export_dir;			/* [export] dir */
	int64_t archive_keep_days;		/* [archive] keep_days */
	char *archive_dir;			/* [archive] dir; "" none */
	char *invoice_font, *invoice_font_bold; /* [invoice]: TrueType files */
	int log_level;				/* enum log_level */

	struct conf_note *notes; /* a row each: for messages and reloads, not for readers */
};

extern const struct conf_option settings_table[];
extern const size_t settings_table_rows;

int settings_load(const char *path, struct settings **out, struct status *st) must_check;
void settings_free(struct settings **s);

/* settings_reload - read the file again; only rows marked reloadable are taken over into a new struct, the others keep
 *   `old`'s values (changed ones are named in a warning). 0, or as settings_load with *out untouched. */
int settings_reload(const char *path, const struct settings *old, struct settings **out, struct status *st) must_check;

#endif
