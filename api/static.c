/* SPDX-License-Identifier: Apache-2.0 */
/* / and /console/{name}: the web console. */
#include "api/static.h"

#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/packed.h"
#include "lib/buf.h"

static const char *type_of(const char *name)
{
	static const struct {
		const char *ending, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(dot, types[i].ending) == 0)
			return types[i].type;
	return "text/plain; charset=utf-8";
}

static struct packed *packed;

void static_pack(void)
{
	packed = xcalloc(static_files_count, sizeof(*packed));
	for (size_t i = 0; i < static_files_count; i++)
		packed_make(&packed[i], static_files[i].text, static_files[i].len);
}

void static_unpack(void)
{
	for (size_t i = 0; i < static_files_count; i++)
		packed_free(&packed[i]);
	free(packed);
	packed = NULL;
}

void console_file(struct request *r)
{
	const char *name = r->id != NULL ? r->id : "index.html";

	for (size_t i = 0; i < static_files_count; i++) {
		if (strcmp(static_files[i].name, name) == 0) {
			packed_answer(r, &packed[i], type_of(name));
			r->answer.page = true;
			return;
		}
	}
	request_problem(r, 404, "There is no such file here.");
}
