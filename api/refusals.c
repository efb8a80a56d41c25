/* SPDX-License-Identifier: Apache-2.0 */
#include "api/refusals.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/request.h"

/* the library's own MHD_queue_response */
static enum MHD_Result (*library)(struct MHD_Connection *, unsigned, struct MHD_Response *);
static pthread_once_t found = PTHREAD_ONCE_INIT;

static void find(void)
{
	void *symbol = dlsym(RTLD_NEXT, "MHD_queue_response");

	if (symbol == NULL)
		abort();			    /* we are linked against it: it has one */
	memcpy(&library, &symbol, sizeof(library)); /* C knows no cast from an object's pointer to a function's */
}

enum MHD_Result refusals_pass(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
	pthread_once(&found, find);
	return library(connection, status, response);
}

static const char *detail_of(unsigned status)
{
	switch (status) {
	case 400:
		return "The request is not HTTP that can be understood.";
	case 414:
		return "The request line is too long: it has 32 KiB at most, with all headers.";
	case 413:
	case 431:
		return "The headers are too long: with the request line they have 32 KiB at most.";
	default:
		return "The request can't be served.";
	}
}

/* Called by libmicrohttpd alone, for what it refuses. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status, struct MHD_Response *refusal)
{
	char text[300];
	int len = snprintf(text, sizeof(text), "{\"title\":\"%s\",\"status\":%u,\"detail\":\"%s\"}\n",
			   request_status_title((int)status), status, detail_of(status));
	struct MHD_Response *problem = MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);

	if (problem == NULL)
		return refusals_pass(connection, status, refusal);
	(void)MHD_add_response_header(problem, "Content-Type", REQUEST_PROBLEM_TYPE); /* fails only without memory */
	(void)MHD_add_response_header(problem, "Cache-Control", "no-store");
	(void)MHD_add_response_header(problem, "Connection", "close");
	enum MHD_Result rc = refusals_pass(connection, status, problem);
	MHD_destroy_response(problem);
	return rc;
}
