/* SPDX-License-Identifier: Apache-2.0 */
/* events.h - live calls as server-sent events. One thread hears Redis for all listeners; each listener has a bounded
 * buffer. Whose peer has closed its end is gone within two seconds. Whoever may have missed something has its stream
 * ended, to connect and list anew: one that reads too slowly is cut off and what waited for it is let go at once; when
 * Redis was away, or a node died or began anew, whose calls nobody told the end of, all are ended.
 */
#ifndef API_EVENTS_H
#define API_EVENTS_H

#include <microhttpd.h>
#include <stdint.h>

#include "api/deadlines.h"
#include "lib/status.h"

#define EVENTS_STREAMS_MAX 256
#define EVENTS_STREAMS_OF_KEY_MAX 64

struct events;

struct events *events_start(const char *redis_url); /* NULL: no thread to be had */
void events_close(struct events *e);		    /* end all streams; no new ones */
void events_free(struct events **e);		    /* after the HTTP server has stopped */

enum events_refusal { EVENTS_GRANTED, EVENTS_AWAY, EVENTS_FULL, EVENTS_FULL_FOR_KEY };

struct events_seat { /* whose stream it is */
	struct MHD_Connection *connection;
	struct deadline *deadline; /* of the connection, borrowed until events_leave */
	int64_t key_id;
};

/* events_response - the stream for one connection, or NULL and *why */
struct MHD_Response *events_response(struct events *e, const struct events_seat *seat, enum events_refusal *why);
/* events_leave - before the connection's deadline is freed */
void events_leave(struct events *e, struct MHD_Connection *connection);
/* events_key_list - the keys of all streams as a PostgreSQL array "{1,7}"; NULL: there is none. The caller frees it. */
char *events_key_list(struct events *e);
void events_key_gone(struct events *e, int64_t key_id); /* its streams end */
int events_listeners(struct events *e);

/* events_text - one published message (a JSON array of {event, call}) as the text that listeners get; NULL: not such a
 *   message. The caller frees it. */
char *events_text(const char *message, size_t len);

#endif
