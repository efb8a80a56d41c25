/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/lag.h"

#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <sofia-sip/su.h>

#include "lib/clock.h"

static _Thread_local int64_t late_since_us; /* monotonic; 0: the last datagram was in time */

void lag_watch(int fd)
{
	int one = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one); /* refused: none is ever late */
}

int64_t lag_late_us(void)
{
	return late_since_us != 0 ? clock_mono_us() - late_since_us : 0;
}

/* The stamp is of the wall clock: one that was set meanwhile makes what waited in the sockets at that moment look late,
 * or early, and nothing else. */
static void note(struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		struct timespec came;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&came, CMSG_DATA(c), sizeof came);
		int64_t waited_us = clock_wall_us() - (came.tv_sec * 1000000LL + came.tv_nsec / 1000);
		if (waited_us < LAG_LATE_US)
			late_since_us = 0;
		else if (late_since_us == 0)
			late_since_us = clock_mono_us();
	}
}

/* Takes the place of the library's function of that name; does what that does. */
issize_t su_vrecv(su_socket_t s, su_iovec_t iov[], isize_t iovlen, int flags, su_sockaddr_t *su, socklen_t *sulen)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
		struct cmsghdr align;
	} control;
	struct msghdr h = {.msg_name = su,
			   .msg_namelen = su && sulen ? *sulen : 0,
			   .msg_iov = (struct iovec *)iov,
			   .msg_iovlen = iovlen,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof control.bytes};
	ssize_t n = recvmsg(s, &h, flags);

	if (n < 0)
		return n;
	if (su && sulen)
		*sulen = h.msg_namelen;
	note(&h);
	return n;
}
