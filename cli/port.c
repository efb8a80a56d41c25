/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/port.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "0100007F:13C4", as /proc/net writes an address: words in the machine's order, the port in plain hex */
static void proc_address(const struct sockaddr *address, char out[static 48])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	uint32_t word[4];

	if (address->sa_family == AF_INET) {
		sprintf(out, "%08X:%04X", v4->sin_addr.s_addr, ntohs(v4->sin_port));
		return;
	}
	memcpy(word, &v6->sin6_addr, sizeof(word));
	sprintf(out, "%08X%08X%08X%08X:%04X", word[0], word[1], word[2], word[3], ntohs(v6->sin6_port));
}

/* the socket that has exactly this address; 0 if none */
static unsigned long socket_inode(const struct sockaddr *address, int type)
{
	const char *path = address->sa_family == AF_INET ? (type == SOCK_DGRAM ? "/proc/net/udp" : "/proc/net/tcp")
							 : (type == SOCK_DGRAM ? "/proc/net/udp6" : "/proc/net/tcp6");
	char wanted[48], line[512], local[64];
	unsigned long inode, found = 0;
	unsigned state;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return 0;
	proc_address(address, wanted);
	while (found == 0 && fgets(line, sizeof(line), file) != NULL) {
		/* sl local remote st tx:rx tr:when retransmits uid timeout inode */
		if (sscanf(line, "%*s %63s %*s %x %*s %*s %*s %*s %*s %lu", local, &state, &inode) == 3 &&
		    strcmp(local, wanted) == 0 && (type == SOCK_DGRAM || state == 10))
			found = inode;
	}
	fclose(file);
	return found;
}

static bool has_socket(const char *pid, const char *link)
{
	char path[300], target[64];
	struct dirent *entry;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	DIR *dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
		ssize_t len = readlink(path, target, sizeof(target) - 1);
		if (len > 0) {
			target[len] = '\0';
			found = strcmp(target, link) == 0;
		}
	}
	closedir(dir);
	return found;
}

static void read_name(const char *pid, char *owner, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(owner, (int)size, file) == NULL)
		owner[0] = '\0';
	owner[strcspn(owner, "\n")] = '\0';
	fclose(file);
}

static void find_owner(unsigned long inode, char *owner, size_t size)
{
	char link[64];
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return;
	snprintf(link, sizeof(link), "socket:[%lu]", inode);
	while ((entry = readdir(proc)) != NULL) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || !has_socket(entry->d_name, link))
			continue;
		read_name(entry->d_name, owner, size);
		break;
	}
	closedir(proc);
}

enum port_state port_probe(const struct sockaddr *address, int type, char *owner, size_t size)
{
	socklen_t len = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(address->sa_family, type | SOCK_CLOEXEC, 0), one = 1;

	owner[0] = '\0';
	if (fd < 0)
		return PORT_REFUSED;
	if (type == SOCK_STREAM) /* connections of an earlier run in TIME_WAIT are no obstacle */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	int bound = bind(fd, address, len);
	if (bound == 0 && type == SOCK_STREAM)
		bound = listen(fd, 1);
	int error = errno;
	close(fd);
	errno = error;
	if (bound == 0)
		return PORT_FREE;
	if (error != EADDRINUSE)
		return PORT_REFUSED;

	unsigned long inode = socket_inode(address, type);
	if (inode != 0)
		find_owner(inode, owner, size);
	return PORT_TAKEN;
}
