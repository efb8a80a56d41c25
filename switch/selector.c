/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/selector.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "switch/lag.h"

/* How far a response is searched for our mark. The status line and the topmost Via with an IPv6 address end well
 * before; the whole program stays under the 400 instructions that older kernels' optmem_max has room for. */
enum { PROBE_FIRST = 24, PROBE_LAST = 288, PROBE_STEP = 4, PROGRAM_MAX = 400, SOCKET_BUFFER = 16 << 20 };

static _Thread_local bool share_sockets;
static _Thread_local int last_socket = -1;

char *selector_mark(int worker, char out[static SELECTOR_MARK_MAX])
{
	memset(out, '~', 7);
	out[7] = (char)('A' + worker);
	out[8] = '\0';
	return out;
}

char *selector_user(int worker, char out[static SELECTOR_USER_MAX])
{
	snprintf(out, SELECTOR_USER_MAX, "~w%c", 'A' + worker);
	return out;
}

void selector_share(bool share)
{
	share_sockets = share;
}

int selector_last_socket(void)
{
	return last_socket;
}

/* A second's burst must not be lost while a worker is busy. With the capability the system's limit does not hold. */
static void buffers_enlarge(int fd)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

/* Takes the place of the library's function of that name. */
int su_socket(int family, int type, int protocol);
int su_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (fd < 0)
		return -1;
	int one = 1;
	if (share_sockets && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0) {
		close(fd);
		return -1;
	}
	if (type == SOCK_DGRAM) {
		buffers_enlarge(fd);
		lag_watch(fd);
		last_socket = fd;
	}
	return fd;
}

struct program {
	struct sock_filter op[PROGRAM_MAX];
	unsigned n;
};

static void stmt(struct program *p, uint16_t code, uint32_t k)
{
	p->op[p->n++] = (struct sock_filter)BPF_STMT(code, k);
}

static void jump(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->op[p->n++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

static void return_letter(struct program *p)
{
	stmt(p, BPF_ALU | BPF_SUB | BPF_K, 'A');
	stmt(p, BPF_RET | BPF_A, 0);
}

static uint32_t word_of(const char four[static 4])
{
	return (uint32_t)(unsigned char)four[0] << 24 | (uint32_t)(unsigned char)four[1] << 16 |
	       (uint32_t)(unsigned char)four[2] << 8 | (uint32_t)(unsigned char)four[3];
}

/* Responses: find "~~~~" on the grid, then the first byte after the run. A read past the datagram's end makes the
 * kernel return 0, so a response without a mark goes to worker 0. */
static void program_responses(struct program *p)
{
	unsigned to_tail[(PROBE_LAST - PROBE_FIRST) / PROBE_STEP + 1], n = 0;

	for (uint32_t at = PROBE_FIRST; at <= PROBE_LAST; at += PROBE_STEP) {
		stmt(p, BPF_LD | BPF_W | BPF_ABS, at);
		jump(p, BPF_JMP | BPF_JEQ | BPF_K, word_of("~~~~"), 0, 2);
		stmt(p, BPF_LDX | BPF_IMM, at);
		to_tail[n++] = p->n;
		stmt(p, BPF_JMP | BPF_JA, 0);
	}
	stmt(p, BPF_RET | BPF_K, 0);
	for (unsigned i = 0; i < n; i++)
		p->op[to_tail[i]].k = p->n - to_tail[i] - 1;
	for (uint32_t after = 4; after <= 7; after++) {
		stmt(p, BPF_LD | BPF_B | BPF_IND, after);
		jump(p, BPF_JMP | BPF_JEQ | BPF_K, '~', 2, 0);
		return_letter(p);
	}
	stmt(p, BPF_RET | BPF_K, 0);
}

/* Requests: our own Contact user at the places that "METHOD sip:" gives it; else the hash. */
static void program_requests(struct program *p, int workers)
{
	static const uint32_t colon_at[] = {7,	8,  9,
					    10, 11, 13}; /* ACK BYE, INFO, PRACK REFER, INVITE .., OPTIONS, SUBSCRIBE */

	for (size_t i = 0; i < sizeof colon_at / sizeof colon_at[0]; i++) {
		stmt(p, BPF_LD | BPF_W | BPF_ABS, colon_at[i]);
		stmt(p, BPF_ALU | BPF_AND | BPF_K, 0xffffff00);
		jump(p, BPF_JMP | BPF_JEQ | BPF_K, word_of(":~w\0"), 0, 3);
		stmt(p, BPF_LD | BPF_B | BPF_ABS, colon_at[i] + 3);
		return_letter(p);
	}
	stmt(p, BPF_LD | BPF_W | BPF_ABS, 0);
	stmt(p, BPF_LDX | BPF_IMM, 11); /* "INVITE sip:", "CANCEL sip:" */
	jump(p, BPF_JMP | BPF_JEQ | BPF_K, word_of("ACK "), 1, 0);
	jump(p, BPF_JMP | BPF_JEQ | BPF_K, word_of("BYE "), 0, 1); /* of a peer that keeps the INVITE's URI */
	stmt(p, BPF_LDX | BPF_IMM, 8);
	/* Hash eight words: h = (h ^ word) * prime. The accumulator rests in memory while a word is loaded. */
	stmt(p, BPF_LD | BPF_IMM, 2166136261u);
	stmt(p, BPF_ST, 0);
	stmt(p, BPF_STX, 2);
	for (uint32_t at = 0; at < 32; at += 4) {
		stmt(p, BPF_LDX | BPF_MEM, 2);
		stmt(p, BPF_LD | BPF_W | BPF_IND, at);
		stmt(p, BPF_LDX | BPF_MEM, 0);
		stmt(p, BPF_ALU | BPF_XOR | BPF_X, 0);
		stmt(p, BPF_ALU | BPF_MUL | BPF_K, 2654435761u);
		stmt(p, BPF_ST, 0);
	}
	stmt(p, BPF_ALU | BPF_RSH | BPF_K, 15);
	stmt(p, BPF_ALU | BPF_MOD | BPF_K, (uint32_t)workers);
	stmt(p, BPF_RET | BPF_A, 0);
}

static void program_build(struct program *p, int workers)
{
	p->n = 0;
	stmt(p, BPF_LD | BPF_W | BPF_ABS, 0);
	jump(p, BPF_JMP | BPF_JEQ | BPF_K, word_of("SIP/"), 1, 0);
	unsigned to_requests = p->n;
	stmt(p, BPF_JMP | BPF_JA, 0);
	program_responses(p);
	p->op[to_requests].k = p->n - to_requests - 1;
	program_requests(p, workers);
}

int selector_attach(int fd, int workers)
{
	struct program p;
	program_build(&p, workers);
	struct sock_fprog prog = {.len = (unsigned short)p.n, .filter = p.op};
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof prog) < 0)
		return -errno;
	return 0;
}
