/* SPDX-License-Identifier: Apache-2.0 */
/* An invoice on paper. libharu with the fonts that every reader has; their letters are those of Western Europe. */
#include <errno.h>
#include <hpdf.h>
#include <iconv.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/invoice.h"

#define MARGIN 50
#define LINE 14
#define SIZE 9
#define NUMBERS 290 /* from where to the right edge calls, minutes and amounts have their place */
#define LETTERS_MAX 512

struct sheet {
	HPDF_Doc doc;
	HPDF_Font plain, bold;
	HPDF_Page page;
	float width, y;
	int pages;
	char title[80], amount[24]; /* on each page: what it is, the amounts' heading */
	const char *carrier;	    /* and whose */
	iconv_t latin;
	jmp_buf failed;
	unsigned long error;
};

static void on_error(HPDF_STATUS error, HPDF_STATUS detail, void *arg)
{
	struct sheet *s = arg;

	s->error = error;
	longjmp(s->failed, 1);
}

/* text in the fonts' own letters, cut to the size; what they lack becomes '?' */
static const char *letters(struct sheet *s, const char *text, char *out, size_t size)
{
	char *from = (char *)text, *to = out;
	size_t left = strlen(text), room = size - 1;

	iconv(s->latin, NULL, NULL, NULL, NULL);
	while (left > 0 && iconv(s->latin, &from, &left, &to, &room) == (size_t)-1) {
		if (errno == E2BIG || room == 0)
			break;
		from++;
		left--;
		while (left > 0 && ((unsigned char)*from & 0xc0) == 0x80) {
			from++;
			left--;
		}
		*to++ = '?';
		room--;
	}
	*to = '\0';
	return out;
}

enum { AT_LEFT, AT_RIGHT };

/* shown: in the fonts' own letters, as for the next */
static void put_letters(struct sheet *s, HPDF_Font font, float size, float x, int at, const char *shown)
{
	HPDF_Page_SetFontAndSize(s->page, font, size);
	HPDF_Page_BeginText(s->page);
	HPDF_Page_TextOut(s->page, at == AT_RIGHT ? x - HPDF_Page_TextWidth(s->page, shown) : x, s->y, shown);
	HPDF_Page_EndText(s->page);
}

/* As many words as the width takes, of a longer word as much as it takes. Returns what is left. */
static const char *put_some(struct sheet *s, HPDF_Font font, float size, float x, float width, const char *shown)
{
	char line[LETTERS_MAX];

	HPDF_Page_SetFontAndSize(s->page, font, size);
	size_t fits = HPDF_Page_MeasureText(s->page, shown, width, HPDF_TRUE, NULL);
	if (fits == 0)
		fits = HPDF_Page_MeasureText(s->page, shown, width, HPDF_FALSE, NULL);
	if (fits == 0 && *shown != '\0')
		fits = 1;
	snprintf(line, sizeof(line), "%.*s", (int)fits, shown);
	put_letters(s, font, size, x, AT_LEFT, line);
	shown += strlen(line);
	return shown + strspn(shown, " ");
}

static void put(struct sheet *s, HPDF_Font font, float size, float x, int at, const char *text)
{
	char shown[LETTERS_MAX];

	put_letters(s, font, size, x, at, letters(s, text, shown, sizeof(shown)));
}

/* From margin to margin, on as many lines as it needs, but one at least. */
static void put_text(struct sheet *s, HPDF_Font font, float size, const char *text)
{
	char shown[LETTERS_MAX];
	const char *rest = letters(s, text, shown, sizeof(shown));

	do {
		rest = put_some(s, font, size, MARGIN, s->width - 2 * MARGIN, rest);
		s->y -= LINE;
	} while (*rest != '\0');
}

static void page_new(struct sheet *s)
{
	char text[32], carrier[LETTERS_MAX];

	s->page = HPDF_AddPage(s->doc);
	HPDF_Page_SetSize(s->page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT);
	s->width = HPDF_Page_GetWidth(s->page);
	s->y = MARGIN / 2.0F;
	snprintf(text, sizeof(text), "page %d", ++s->pages);
	put(s, s->plain, SIZE, s->width - MARGIN, AT_RIGHT, text);
	if (s->pages > 1) {
		put(s, s->plain, SIZE, MARGIN, AT_LEFT, s->title);
		letters(s, s->carrier, carrier, sizeof(carrier));
		(void)put_some(s, s->plain, SIZE, s->width / 3, s->width / 2, carrier); /* its first words */
	}
	s->y = HPDF_Page_GetHeight(s->page) - MARGIN;
}

static void rule(struct sheet *s)
{
	HPDF_Page_SetLineWidth(s->page, 0.5F);
	HPDF_Page_MoveTo(s->page, MARGIN, s->y + LINE - 3);
	HPDF_Page_LineTo(s->page, s->width - MARGIN, s->y + LINE - 3);
	HPDF_Page_Stroke(s->page);
}

static void cells(struct sheet *s, HPDF_Font font, const char *calls, const char *minutes, const char *amount)
{
	put(s, font, SIZE, s->width - 220, AT_RIGHT, calls);
	put(s, font, SIZE, s->width - 140, AT_RIGHT, minutes);
	put(s, font, SIZE, s->width - MARGIN, AT_RIGHT, amount);
}

static void columns(struct sheet *s)
{
	put(s, s->bold, SIZE, MARGIN, AT_LEFT, "Destination");
	cells(s, s->bold, "Calls", "Minutes:seconds", s->amount);
	s->y -= LINE;
	rule(s);
}

static void room_for_row(struct sheet *s)
{
	if (s->y > MARGIN + LINE)
		return;
	page_new(s);
	columns(s);
}

/* Its numbers stand beside the first line of a long name. */
static void row(struct sheet *s, HPDF_Font font, const char *what, const char *calls, const char *minutes,
		const char *amount)
{
	char shown[LETTERS_MAX];
	const char *rest = letters(s, what, shown, sizeof(shown));

	room_for_row(s);
	cells(s, font, calls, minutes, amount);
	for (;;) {
		rest = put_some(s, font, SIZE, MARGIN, s->width - NUMBERS - MARGIN, rest);
		s->y -= LINE;
		if (*rest == '\0')
			return;
		room_for_row(s);
	}
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

/* Above all else: name, address and tax id; none, and nothing. */
static void put_sender(struct sheet *s, const json_t *sender)
{
	const json_t *line;
	size_t i;

	if (!json_is_object(sender))
		return;
	put_text(s, s->bold, 11, text_of(sender, "name"));
	json_array_foreach(json_object_get(sender, "address"), i, line)
	{
		put_text(s, s->plain, SIZE, json_string_value(line));
	}
	put_text(s, s->plain, SIZE, text_of(sender, "tax_id"));
	s->y -= 2 * LINE;
}

static void put_head(struct sheet *s, const json_t *invoice)
{
	const char *status = text_of(invoice, "status"), *number = text_of(invoice, "number");
	char text[200];

	put_sender(s, json_object_get(invoice, "sender"));
	put(s, s->bold, 18, MARGIN, AT_LEFT, s->title);
	if (strcmp(status, "issued") != 0)
		put(s, s->bold, 18, s->width - MARGIN, AT_RIGHT, strcmp(status, "draft") == 0 ? "DRAFT" : "VOID");
	s->y -= 2 * LINE;
	put_text(s, s->plain, 11, text_of(invoice, "carrier"));
	snprintf(text, sizeof(text), "Calls from %s to %s (%s)", text_of(invoice, "from"), text_of(invoice, "to"),
		 text_of(invoice, "timezone"));
	put(s, s->plain, SIZE, MARGIN, AT_LEFT, text);
	s->y -= LINE;
	if (*number != '\0') {
		snprintf(text, sizeof(text), "Issued %.10s", text_of(invoice, "issued_at"));
		put(s, s->plain, SIZE, MARGIN, AT_LEFT, text);
		s->y -= LINE;
	}
	put_text(s, s->plain, SIZE, text_of(invoice, "note"));
	s->y -= LINE;
}

static void put_destination(struct sheet *s, const json_t *line)
{
	const char *kind = text_of(line, "kind"), *destination = text_of(line, "destination");
	json_int_t seconds = json_integer_value(json_object_get(line, "seconds"));
	char what[LETTERS_MAX], calls[24], minutes[32];

	snprintf(what, sizeof(what), "%s%s", *destination != '\0' ? destination : "(without a destination)",
		 strcmp(kind, "late_calls") == 0    ? ", earlier calls"
		 : strcmp(kind, "corrections") == 0 ? ", corrections"
						    : "");
	snprintf(calls, sizeof(calls), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(line, "calls")));
	snprintf(minutes, sizeof(minutes), "%" JSON_INTEGER_FORMAT ":%02d", seconds / 60, (int)(seconds % 60));
	row(s, s->plain, what, calls, minutes, text_of(line, "amount"));
}

static void put_sums(struct sheet *s, const json_t *invoice)
{
	const json_t *tax;
	char what[120];
	size_t i;

	room_for_row(s);
	rule(s);
	row(s, s->plain, "Net", "", "", text_of(invoice, "net"));
	json_array_foreach(json_object_get(invoice, "taxes"), i, tax)
	{
		snprintf(what, sizeof(what), "%s %s %%", text_of(tax, "name"), text_of(tax, "percent"));
		row(s, s->plain, what, "", "", text_of(tax, "amount"));
	}
	snprintf(what, sizeof(what), "Total %s", text_of(invoice, "currency"));
	row(s, s->bold, what, "", "", text_of(invoice, "total"));
}

static void name_it(struct sheet *s, const json_t *invoice)
{
	bool sell = strcmp(text_of(invoice, "side"), "sell") == 0;

	snprintf(s->title, sizeof(s->title), "%s %s", sell ? "Invoice" : "Statement of traffic",
		 text_of(invoice, "number"));
	s->carrier = text_of(invoice, "carrier");
	snprintf(s->amount, sizeof(s->amount), "Amount, %s", text_of(invoice, "currency"));
}

static void draw(struct sheet *s, const json_t *invoice)
{
	const json_t *line;
	size_t i;

	name_it(s, invoice);
	HPDF_SetCompressionMode(s->doc, HPDF_COMP_ALL);
	s->plain = HPDF_GetFont(s->doc, "Helvetica", "WinAnsiEncoding");
	s->bold = HPDF_GetFont(s->doc, "Helvetica-Bold", "WinAnsiEncoding");
	page_new(s);
	put_head(s, invoice);
	columns(s);
	json_array_foreach(json_object_get(invoice, "lines"), i, line)
	{
		put_destination(s, line);
	}
	put_sums(s, invoice);
}

static void collect(struct sheet *s, struct buf *out)
{
	HPDF_BYTE bytes[8192];

	HPDF_SaveToStream(s->doc);
	HPDF_ResetStream(s->doc);
	for (HPDF_UINT32 left = HPDF_GetStreamSize(s->doc), n; left > 0; left -= n) {
		n = left < sizeof(bytes) ? left : (HPDF_UINT32)sizeof(bytes);
		HPDF_ReadFromStream(s->doc, bytes, &n);
		buf_append(out, bytes, n);
	}
}

int invoice_put_pdf(struct buf *out, const json_t *invoice, struct status *st)
{
	struct sheet *s = xcalloc(1, sizeof(*s));
	int err = 0;

	s->latin = iconv_open("CP1252", "UTF-8");
	if (s->latin == (iconv_t)-1) {
		free(s);
		return status_set(st, -EIO, "this system cannot convert text to CP1252");
	}
	if (setjmp(s->failed) == 0) {
		s->doc = HPDF_New(on_error, s);
		draw(s, invoice);
		collect(s, out);
	} else {
		buf_reset(out);
		err = status_set(st, -EIO, "the PDF could not be made: libharu says 0x%04lx", s->error);
	}
	if (s->doc != NULL)
		HPDF_Free(s->doc);
	iconv_close(s->latin);
	free(s);
	return err;
}
