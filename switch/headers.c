/* SPDX-License-Identifier: Apache-2.0 */
#include "switch/headers.h"

#include <strings.h>

#include <sofia-sip/msg_header.h>

struct headers headers_common(struct arena *arena, const struct trunk *a, const struct trunk *b)
{
	if (!a->n_pass_headers || !b->n_pass_headers)
		return (struct headers){0};
	const char **name = arena_alloc(arena, (size_t)a->n_pass_headers * sizeof *name);
	int n = 0;

	for (int i = 0; i < a->n_pass_headers; i++)
		for (int k = 0; k < b->n_pass_headers; k++)
			if (strcasecmp(a->pass_header[i], b->pass_header[k]) == 0) {
				name[n++] = arena_strdup(arena, a->pass_header[i]);
				break;
			}
	return (struct headers){.name = name, .n = n};
}

static const char *name_of(const msg_header_t *h)
{
	return h->sh_class == sip_unknown_class ? ((const sip_unknown_t *)h)->un_name : h->sh_class->hc_name;
}

static void line_put(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s: ", name);
	for (; *value; value++)
		buf_putc(out, *value == '\r' || *value == '\n' ? ' ' : *value); /* a folded line */
	buf_puts(out, "\r\n");
}

static void header_write(const msg_header_t *h, const char *name, struct buf *out)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};

	su_home_init(home);
	const char *value = h->sh_class == sip_unknown_class ? ((const sip_unknown_t *)h)->un_value
							     : sip_header_as_string(home, (const sip_header_t *)h);
	line_put(out, name, value ? value : "");
	su_home_deinit(home);
}

void headers_write(const struct headers *list, const sip_t *sip, struct buf *out)
{
	const msg_header_t *h = !sip || !list->n   ? NULL
				: sip->sip_request ? (const msg_header_t *)sip->sip_request
						   : (const msg_header_t *)sip->sip_status;

	for (; h; h = h->sh_succ) {
		const char *name = name_of(h);
		for (int i = 0; name && i < list->n; i++)
			if (strcasecmp(name, list->name[i]) == 0)
				header_write(h, list->name[i], out);
	}
}

char *headers_text(const struct headers *list, const sip_t *sip, su_home_t *home)
{
	struct buf text = {0};

	headers_write(list, sip, &text);
	char *copy = text.len ? su_strdup(home, text.text) : NULL;
	buf_free(&text);
	return copy;
}
