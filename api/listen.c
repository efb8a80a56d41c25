/* SPDX-License-Identifier: Apache-2.0 */
#include "api/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 511

static int address_parse(const char *text, struct addrinfo **out)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	char host[80];
	const char *colon = strrchr(text, ':');

	if (colon == NULL || colon == text || (size_t)(colon - text) >= sizeof(host))
		return -EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	size_t len = strlen(host);
	char *bare = host;
	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		bare = host + 1;
	}
	return getaddrinfo(bare, colon + 1, &hints, out) == 0 ? 0 : -EINVAL;
}

static int port_of(int fd)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0)
		return -errno;
	return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						 : ((struct sockaddr_in *)&bound)->sin_port);
}

int listen_open(const char *text, int *fd, int *port, struct status *st)
{
	struct addrinfo *a = NULL;
	int one = 1, err = 0;

	if (address_parse(text, &a) != 0)
		return status_set(st, -EINVAL, "[api] listen = %s is no host:port", text);
	*fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
	    bind(*fd, a->ai_addr, a->ai_addrlen) != 0 || listen(*fd, BACKLOG) != 0)
		err = -errno;
	else if ((*port = port_of(*fd)) < 0)
		err = *port;
	freeaddrinfo(a);
	if (err == 0)
		return 0;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return status_set(st, err, "can't listen on %s: %s", text, strerror(-err));
}
