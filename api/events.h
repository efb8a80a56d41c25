/* SPDX-License-Identifier: Apache-2.0 */
/* events.h - live calls as server-sent events. One thread hears Redis for all listeners; each listener has a bounded
 * buffer. Whoever may have missed something (too slow, Redis gone) has its stream ended, to connect and list anew.
 */
#ifndef API_EVENTS_H
#define API_EVENTS_H

#include <microhttpd.h>

#include "lib/status.h"

struct events;

struct events *events_start(const char *redis_url); /* NULL: no thread to be had */
void events_close(struct events *e);		    /* end all streams; no new ones */
void events_free(struct events **e);		    /* after the HTTP server has stopped */

/* events_response - the stream for one connection, or NULL if there are too many or Redis is away */
struct MHD_Response *events_response(struct events *e, struct MHD_Connection *connection);
int events_listeners(struct events *e);

/* events_text - one published message (a JSON array of {event, call}) as the text that listeners get; NULL: not such a
 *   message. The caller frees it. */
char *events_text(const char *message, size_t len);

#endif
