/* SPDX-License-Identifier: Apache-2.0 */
#include "api/deadlines.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/clock.h"

#define LOOK_MS 500

struct deadline {
	struct deadlines *all;
	struct deadline *next, **link;
	int fd;
	int64_t at_us; /* monotonic; 0: none */
};

struct deadlines {
	pthread_mutex_t lock; /* guards the list and what is in it */
	struct deadline *first;
	pthread_t thread;
	_Atomic bool stopping;
};

static void *look(void *arg)
{
	struct deadlines *all = arg;

	while (!all->stopping) {
		poll(NULL, 0, LOOK_MS);
		int64_t now = clock_mono_us();
		pthread_mutex_lock(&all->lock);
		for (struct deadline *d = all->first; d != NULL; d = d->next) {
			if (d->at_us != 0 && now > d->at_us) {
				d->at_us = 0;
				shutdown(d->fd, SHUT_RDWR);
			}
		}
		pthread_mutex_unlock(&all->lock);
	}
	return NULL;
}

int deadlines_start(struct deadlines **out, struct status *st)
{
	struct deadlines *all = xcalloc(1, sizeof(*all));

	pthread_mutex_init(&all->lock, NULL);
	if (pthread_create(&all->thread, NULL, look, all) != 0) {
		pthread_mutex_destroy(&all->lock);
		free(all);
		return status_set(st, -EAGAIN, "no thread can be had");
	}
	*out = all;
	return 0;
}

void deadlines_stop(struct deadlines **all)
{
	if (*all == NULL)
		return;
	(*all)->stopping = true;
	pthread_join((*all)->thread, NULL);
	pthread_mutex_destroy(&(*all)->lock);
	free(*all);
	*all = NULL;
}

struct deadline *deadline_new(struct deadlines *all, int fd, int64_t after_us)
{
	struct deadline *d = xcalloc(1, sizeof(*d));

	d->all = all;
	d->fd = fd;
	d->at_us = after_us == 0 ? 0 : clock_mono_us() + after_us;
	pthread_mutex_lock(&all->lock);
	d->next = all->first;
	d->link = &all->first;
	if (d->next != NULL)
		d->next->link = &d->next;
	all->first = d;
	pthread_mutex_unlock(&all->lock);
	return d;
}

void deadline_free(struct deadline **d)
{
	if (*d == NULL)
		return;
	struct deadlines *all = (*d)->all;
	pthread_mutex_lock(&all->lock);
	*(*d)->link = (*d)->next;
	if ((*d)->next != NULL)
		(*d)->next->link = (*d)->link;
	pthread_mutex_unlock(&all->lock);
	free(*d);
	*d = NULL;
}

void deadline_set(struct deadline *d, int64_t after_us)
{
	if (d == NULL)
		return;
	pthread_mutex_lock(&d->all->lock);
	d->at_us = after_us == 0 ? 0 : clock_mono_us() + after_us;
	pthread_mutex_unlock(&d->all->lock);
}

void deadline_abort(struct deadline *d)
{
	const struct linger none = {.l_onoff = 1, .l_linger = 0};

	if (d == NULL)
		return;
	(void)setsockopt(d->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)); /* without it: a slower end */
	deadline_set(d, 1);
}

bool deadline_gone(const struct deadline *d)
{
	struct pollfd p = {.fd = d != NULL ? d->fd : -1, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void deadline_narrow(struct deadline *d, int bytes)
{
	if (d != NULL)
		(void)setsockopt(d->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* without it: more */
}
