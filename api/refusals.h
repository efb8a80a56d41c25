/* SPDX-License-Identifier: Apache-2.0 */
/* refusals.h - what libmicrohttpd refuses by itself, before any of our code is asked: a request that is no HTTP, a
 * request line or headers without end. It answers in HTML and has no option for anything else (0.9.75); but it queues
 * those answers by its own exported MHD_queue_response(), through the PLT. Here stands a function of that name, which
 * the linker prefers: it answers with application/problem+json. What we answer goes by refusals_pass. Any thread.
 */
#ifndef API_REFUSALS_H
#define API_REFUSALS_H

#include <microhttpd.h>

/* refusals_pass - queue an answer of ours: the library's own MHD_queue_response */
enum MHD_Result refusals_pass(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);

#endif
