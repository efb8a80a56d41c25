/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "settings/settings.h"
#include "tests/unit/temp_file.h"

static void write_file(const char *text)
{
	temp_file_write(text, strlen(text));
}

static struct settings *load(const char *text)
{
	struct settings *s = NULL;
	struct status st = {""};

	write_file(text);
	if (settings_load(temp_file_path, &s, &st) != 0)
		fail_msg("%s", st.text);
	return s;
}

static void assert_refused(const char *text, int line, const char *why)
{
	struct settings *s = NULL;
	struct status st = {""};
	char where[96];

	write_file(text);
	assert_int_equal(settings_load(temp_file_path, &s, &st), -EINVAL);
	assert_null(s);
	snprintf(where, sizeof(where), "%s:%d: ", temp_file_path, line);
	if (strncmp(st.text, where, strlen(where)) != 0 || strstr(st.text, why) == NULL)
		fail_msg("\"%s\" is not \"%s%s\"", st.text, where, why);
}

static void an_empty_file_is_a_whole_configuration(void **state)
{
	struct settings *s = load("");

	(void)state;
	assert_true(strlen(s->node_id) > 0);
	assert_int_equal(s->listen.n, 1);
	assert_string_equal(s->listen.item[0].text, "udp:127.0.0.1:5060");
	assert_int_equal(s->workers, 0);
	assert_int_equal(s->t1_ms, 500);
	assert_int_equal(s->invite_timeout_ms, 180000);
	assert_int_equal(s->drain_timeout_ms, 0);
	assert_string_equal(s->database_url, "postgresql:///tandem");
	assert_string_equal(s->api_listen, "127.0.0.1:8080");
	assert_int_equal(s->log_level, LOG_LEVEL_INFO);
	settings_free(&s);
	assert_null(s);
}

static void listeners_of_every_kind_are_read(void **state)
{
	struct settings *s = load("[sip]\nlisten = udp:10.0.0.1:5070, tcp:[2001:db8::1]:5080,tls:[::1], udp:10.0.0.2\n"
				  "tls_certificate = /c\ntls_key = /k\n");
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&s->listen.item[0].address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&s->listen.item[2].address;

	(void)state;
	assert_int_equal(s->listen.n, 4);
	assert_int_equal(s->listen.item[0].transport, SETTINGS_UDP);
	assert_int_equal(v4->sin_family, AF_INET);
	assert_int_equal(ntohs(v4->sin_port), 5070);
	assert_int_equal(s->listen.item[1].transport, SETTINGS_TCP);
	assert_string_equal(s->listen.item[1].text, "tcp:[2001:db8::1]:5080");
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(v6->sin6_port), 5061);
	assert_int_equal(ntohs(((const struct sockaddr_in *)&s->listen.item[3].address)->sin_port), 5060);
	settings_free(&s);
}

static void the_manual_s_own_file_is_taken(void **state)
{
	struct settings *s =
		load("[node]\nid = sw1                        ; unique in the cluster; default: host name\n"
		     "[sip]\nlisten = udp:127.0.0.1:5060, tcp:127.0.0.1:5060   ; IPv6 in brackets\n"
		     "advertise =                     ; address\nworkers = auto                  ; SIP threads\n"
		     "unknown_source = drop         ; reject (403) | drop\nmax_cps = 0\nt1 = 500ms\n"
		     "invite_timeout = 180s\ndrain_timeout = 0s\nworker_ports =                  ; e.g. 5070-5085\n"
		     "tls_certificate =\ntls_key =\ntls_ca =\n[database]\nurl = postgresql:///tandem\n"
		     "[redis]\nurl = redis://127.0.0.1:6379/0  ; also unix://\n[spool]\ndir = /var/lib/tandem/spool\n"
		     "[media]\nrtpengine =\n[api]\nlisten = 127.0.0.1:8080\ntls_certificate =\ntls_key =\n"
		     "[export]\ndir = /var/lib/tandem/export\n[log]\nlevel = info\n");

	(void)state;
	assert_string_equal(s->node_id, "sw1");
	assert_string_equal(s->advertise, "");
	assert_int_equal(s->unknown_source, UNKNOWN_DROP);
	assert_string_equal(s->redis_url, "redis://127.0.0.1:6379/0");
	assert_int_equal(s->worker_ports.first, 0);
	settings_free(&s);
}

static void bad_values_name_their_line(void **state)
{
	(void)state;
	assert_refused("[node]\nid = a b\n", 2, "is no node id");
	assert_refused("[sip]\nlisten = sctp:127.0.0.1:5060\n", 2, "sctp:127.0.0.1:5060");
	assert_refused("[sip]\nlisten = udp:localhost:5060\n", 2, "numeric address");
	assert_refused("[sip]\nlisten = udp:127.0.0.1:0\n", 2, "numeric address");
	assert_refused("[sip]\nlisten = udp:127.0.0.1:65536\n", 2, "numeric address");
	assert_refused("[sip]\nlisten = udp:::1:5060\n", 2, "numeric address");
	assert_refused("[sip]\nlisten =\n", 2, "is empty");
	assert_refused("[sip]\nlisten = udp:127.0.0.1, udp:127.0.0.1:5060\n", 2, "twice");
	assert_refused("[sip]\nt1 = 99ms\n", 2, "out of range");
	assert_refused("[sip]\nt1 = 6s\n", 2, "out of range");
	assert_refused("[sip]\nworkers = 0\n", 2, "neither auto nor");
	assert_refused("[sip]\nworkers = 3x\n", 2, "neither auto nor");
	assert_refused("[sip]\nworker_ports = 5085-5070\n", 2, "range of ports");
	assert_refused("[sip]\nadvertise = sip.example.com\n", 2, "numeric address");
	assert_refused("[spool]\ndir = spool\n", 2, "absolute path");
	assert_refused("[api]\nlisten = 127.0.0.1\n", 2, "numeric address and port");
	assert_refused("[media]\nrtpengine = localhost\n", 2, "host:port");
	assert_refused("[redis]\nurl = http://x\n", 2, "is not a Redis URL");
	assert_refused("[log]\nlevel = loud\n", 2, "error, warn, info, debug");
}

static void passwords_do_not_show_in_errors(void **state)
{
	struct settings *s = NULL;
	struct status st = {""};

	(void)state;
	write_file("[redis]\nurl = redis://:se%zzcret@host:port\n");
	assert_int_equal(settings_load(temp_file_path, &s, &st), -EINVAL);
	assert_null(strstr(st.text, "cret"));
}

static void options_must_fit_each_other(void **state)
{
	(void)state;
	assert_refused("[sip]\n\nlisten = tls:127.0.0.1\n", 3, "tls_certificate");
	assert_refused("[sip]\nworkers = 2\nlisten = tcp:127.0.0.1\n", 2, "worker_ports");
	assert_refused("[sip]\nworkers = 4\nworker_ports = 5070-5072\n", 3, "fewer ports");
	assert_refused("[api]\ntls_key = /k\n", 2, "go together");
}

static void a_reload_takes_only_what_may_change(void **state)
{
	struct settings *old = load(
				"[sip]\nmax_cps = 10\nlisten = udp:127.0.0.1:5070\nworkers = 2\n[log]\nlevel = info\n"),
			*now;
	struct status st;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	write_file("[node]\nid = other\n[sip]\nmax_cps = 20\nlisten = udp:127.0.0.1:5080\n[log]\nlevel = debug\n");
	assert_int_equal(settings_reload(temp_file_path, old, &now, &st), 0);
	assert_int_equal(now->max_cps, 20);
	assert_int_equal(now->log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(now->listen.item[0].text, "udp:127.0.0.1:5070");
	assert_int_equal(now->workers, 2);
	assert_string_equal(now->node_id, old->node_id);
	settings_free(&now);

	write_file("[sip]\nmax_cps = 30\nbogus = 1\n");
	assert_int_equal(settings_reload(temp_file_path, old, &now, &st), -EINVAL);
	assert_non_null(strstr(st.text, ":3: unknown key"));
	assert_null(now);
	assert_int_equal(old->max_cps, 10);
	settings_free(&old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_is_a_whole_configuration),
		cmocka_unit_test(listeners_of_every_kind_are_read),
		cmocka_unit_test(the_manual_s_own_file_is_taken),
		cmocka_unit_test(bad_values_name_their_line),
		cmocka_unit_test(passwords_do_not_show_in_errors),
		cmocka_unit_test(options_must_fit_each_other),
		cmocka_unit_test(a_reload_takes_only_what_may_change),
	};

	return cmocka_run_group_tests(tests, temp_file_make, temp_file_remove);
}
