/* SPDX-License-Identifier: Apache-2.0 */
/* selector.h - one UDP port, many workers: which worker's socket a datagram goes to.
 *
 * All workers bind the same port with SO_REUSEPORT, in worker order; a classic BPF program on the group picks the
 * socket:
 *
 *   a response         by the worker's mark in our Via branch
 *   a request to us    by the worker's letter in our Contact user ("~wA")
 *   any other request  by a hash of 32 bytes of the Request-URI from the user's start: the same worker for an INVITE,
 *                      its repeats, its CANCEL and its ACK, whatever else differs
 *
 * What the program cannot place goes to worker 0.
 *
 * The library makes its sockets through its exported su_socket(); this module defines that function, and the linker
 * takes ours.
 */
#ifndef SWITCH_SELECTOR_H
#define SWITCH_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/status.h"

#define SELECTOR_WORKERS_MAX 26
#define SELECTOR_MARK_MAX 9 /* "~~~~~~~A" and NUL */
#define SELECTOR_USER_MAX 4 /* "~wA" and NUL, as a Contact user */

/* selector_mark - the run that a branch of this worker begins with, after "z9hG4bK". Seven equal bytes: a probe of
 * every fourth position finds the run wherever it stands. */
char *selector_mark(int worker, char out[static SELECTOR_MARK_MAX]);
char *selector_user(int worker, char out[static SELECTOR_USER_MAX]);

/* selector_share - sockets that this thread makes from now on get SO_REUSEPORT (or no longer do) */
void selector_share(bool share);
/* selector_last_socket - the datagram socket that this thread made last; -1 if none */
int selector_last_socket(void);

/* selector_attach - give the group that fd belongs to the program for that many workers. 0 or -errno */
int selector_attach(int fd, int workers) must_check;

#endif
