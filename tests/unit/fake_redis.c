/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"

struct fake_redis {
	const char *(*reply)(const char *command);
	int listener;
	char url[64];
	struct buf asked;
	pthread_t thread;
};

/* one command, an array of bulk strings, as words joined by blanks */
static bool read_command(FILE *in, struct buf *words)
{
	char line[64];
	int n;

	buf_reset(words);
	if (fgets(line, sizeof(line), in) == NULL || sscanf(line, "*%d", &n) != 1)
		return false;
	for (int i = 0; i < n; i++) {
		char text[4096];
		size_t len;

		if (fgets(line, sizeof(line), in) == NULL || sscanf(line, "$%zu", &len) != 1 ||
		    len + 2 > sizeof(text) || fread(text, 1, len + 2, in) != len + 2)
			return false;
		if (i > 0)
			buf_putc(words, ' ');
		buf_append(words, text, len);
	}
	return true;
}

static void serve(struct fake_redis *f, int fd)
{
	FILE *in = fdopen(fd, "r");
	struct buf words = {0};

	while (in != NULL && read_command(in, &words)) {
		const char *answer = f->reply(words.text);

		buf_printf(&f->asked, "%s\n", words.text);
		if (answer != NULL)
			(void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	}
	buf_free(&words);
	if (in != NULL)
		fclose(in);
}

static void *serve_all(void *arg)
{
	struct fake_redis *f = arg;
	int fd;

	while ((fd = accept(f->listener, NULL, NULL)) >= 0)
		serve(f, fd);
	return NULL;
}

struct fake_redis *fake_redis_start(const char *(*reply)(const char *command))
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct fake_redis *f = xcalloc(1, sizeof(*f));
	socklen_t len = sizeof(a);

	f->reply = reply;
	f->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(f->listener, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(f->listener, 4) != 0 ||
	    getsockname(f->listener, (struct sockaddr *)&a, &len) != 0 ||
	    pthread_create(&f->thread, NULL, serve_all, f) != 0) {
		perror("fake redis");
		abort();
	}
	snprintf(f->url, sizeof(f->url), "redis://127.0.0.1:%d", ntohs(a.sin_port));
	return f;
}

const char *fake_redis_url(const struct fake_redis *f)
{
	return f->url;
}

const char *fake_redis_asked(const struct fake_redis *f)
{
	return f->asked.text != NULL ? f->asked.text : "";
}

void fake_redis_stop(struct fake_redis **f)
{
	shutdown((*f)->listener, SHUT_RDWR);
	pthread_join((*f)->thread, NULL);
	close((*f)->listener);
	buf_free(&(*f)->asked);
	free(*f);
	*f = NULL;
}
