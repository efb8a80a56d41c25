/* SPDX-License-Identifier: Apache-2.0 */
/* port.h - is an address free to listen on, and if not, who has it? For `tandem doctor`. */
#ifndef CLI_PORT_H
#define CLI_PORT_H

#include <stddef.h>
#include <sys/socket.h>

enum port_state {
	PORT_FREE,
	PORT_TAKEN,   /* owner: the program's name, "" if it can't be seen (another user's process) */
	PORT_REFUSED, /* the address is not this machine's, or the port needs rights; errno tells */
};

/* port_probe - type SOCK_DGRAM or SOCK_STREAM */
enum port_state port_probe(const struct sockaddr *address, int type, char *owner, size_t size);

#endif
