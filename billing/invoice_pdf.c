/* SPDX-License-Identifier: Apache-2.0 */
/* An invoice on paper. libharu, with a TrueType font of which the PDF carries the letters it shows: names come in
 * Latin, Greek, Cyrillic. What libharu 2.3 does not do is done here: it measures UTF-8, but may end a line inside a
 * letter, and it shows nothing for letters beyond U+FFFF.
 */
#include <errno.h>
#include <hpdf.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "billing/invoice.h"
#include "lib/json_read.h"

#define MARGIN 50
#define LINE 14
#define SIZE 8
#define MINUTES 150	 /* from the right edge of the paper to that of the minutes, */
#define CALLS 245	 /* to that of the calls, */
#define NUMBERS 300	 /* and to where names must end */
#define LETTERS_MAX 4200 /* the longest destination, 1,023 letters, and what is said of it */
#define LINE_MAX_BYTES 1024

struct sheet {
	HPDF_Doc doc;
	HPDF_Font plain, bold;
	HPDF_Page page, *pages; /* the one that is drawn on; all */
	int n;
	float width, y;
	char title[80], amount[24]; /* on each page: what it is, the amounts' heading */
	const char *carrier;	    /* and whose */
	const char *font;	    /* the file that is being read; NULL: none */
	jmp_buf failed;
	unsigned long error;
};

static void on_error(HPDF_STATUS error, HPDF_STATUS detail, void *arg)
{
	struct sheet *s = arg;

	s->error = error;
	longjmp(s->failed, 1);
}

static bool is_inside(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80; /* of a letter of several bytes, not its first */
}

/* UTF-8 that libharu can show, cut to the size: blanks for control characters, U+FFFD for what is beyond U+FFFF */
static const char *letters(const char *text, char *out, size_t size)
{
	size_t len = 0, n;

	for (; *text != '\0'; text += n) {
		const char *shown = text;
		size_t bytes;

		n = 1;
		while (is_inside(text[n]))
			n++;
		bytes = n;
		if ((unsigned char)*text < 0x20) {
			shown = " ";
		} else if (n > 3) {
			shown = "\xef\xbf\xbd";
			bytes = 3;
		}
		if (len + bytes >= size)
			break;
		memcpy(out + len, shown, bytes);
		len += bytes;
	}
	out[len] = '\0';
	return out;
}

enum { AT_LEFT, AT_RIGHT };

/* shown: as letters made it, as for the next */
static void put_letters(struct sheet *s, HPDF_Font font, float size, float x, int at, const char *shown)
{
	HPDF_Page_SetFontAndSize(s->page, font, size);
	HPDF_Page_BeginText(s->page);
	HPDF_Page_TextOut(s->page, at == AT_RIGHT ? x - HPDF_Page_TextWidth(s->page, shown) : x, s->y, shown);
	HPDF_Page_EndText(s->page);
}

/* As many bytes as the width takes: words, or of a longer word whole letters, one at least. */
static size_t fitting(struct sheet *s, float width, const char *shown)
{
	size_t fits = HPDF_Page_MeasureText(s->page, shown, width, HPDF_TRUE, NULL);

	if (fits == 0)
		fits = HPDF_Page_MeasureText(s->page, shown, width, HPDF_FALSE, NULL);
	if (fits >= LINE_MAX_BYTES)
		fits = LINE_MAX_BYTES - 1;
	while (fits > 0 && is_inside(shown[fits]))
		fits--;
	if (fits == 0 && *shown != '\0')
		do
			fits++;
		while (is_inside(shown[fits]));
	return fits;
}

/* Returns what is left. */
static const char *put_some(struct sheet *s, HPDF_Font font, float size, float x, float width, const char *shown)
{
	char line[LINE_MAX_BYTES];

	HPDF_Page_SetFontAndSize(s->page, font, size);
	snprintf(line, sizeof(line), "%.*s", (int)fitting(s, width, shown), shown);
	put_letters(s, font, size, x, AT_LEFT, line);
	shown += strlen(line);
	return shown + strspn(shown, " ");
}

static void put(struct sheet *s, HPDF_Font font, float size, float x, int at, const char *text)
{
	char shown[LETTERS_MAX];

	put_letters(s, font, size, x, at, letters(text, shown, sizeof(shown)));
}

/* From margin to margin, on as many lines as it needs, but one at least. */
static void put_text(struct sheet *s, HPDF_Font font, float size, const char *text)
{
	char shown[LETTERS_MAX];
	const char *rest = letters(text, shown, sizeof(shown));

	do {
		rest = put_some(s, font, size, MARGIN, s->width - 2 * MARGIN, rest);
		s->y -= LINE;
	} while (*rest != '\0');
}

static void page_new(struct sheet *s)
{
	s->page = HPDF_AddPage(s->doc);
	s->pages = xrealloc(s->pages, ((size_t)s->n + 1) * sizeof(*s->pages));
	s->pages[s->n++] = s->page;
	HPDF_Page_SetSize(s->page, HPDF_PAGE_SIZE_A4, HPDF_PAGE_PORTRAIT);
	s->width = HPDF_Page_GetWidth(s->page);
	s->y = HPDF_Page_GetHeight(s->page) - MARGIN;
}

/* What stands below, once it is known how many pages there are. */
static void put_feet(struct sheet *s)
{
	char text[48], carrier[LETTERS_MAX];

	letters(s->carrier, carrier, sizeof(carrier));
	s->y = MARGIN / 2.0F;
	for (int i = 0; i < s->n; i++) {
		s->page = s->pages[i];
		snprintf(text, sizeof(text), "page %d of %d", i + 1, s->n);
		put(s, s->plain, SIZE, s->width - MARGIN, AT_RIGHT, text);
		if (i == 0)
			continue;
		put(s, s->plain, SIZE, MARGIN, AT_LEFT, s->title);
		(void)put_some(s, s->plain, SIZE, s->width / 3, s->width / 2, carrier); /* its first words */
	}
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
	put(s, font, SIZE, s->width - CALLS, AT_RIGHT, calls);
	put(s, font, SIZE, s->width - MINUTES, AT_RIGHT, minutes);
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
	const char *rest = letters(what, shown, sizeof(shown));

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

/* Above all else: name, address and tax id; none, and nothing. */
static void put_sender(struct sheet *s, const json_t *sender)
{
	const json_t *line;
	size_t i;

	if (!json_is_object(sender))
		return;
	put_text(s, s->bold, 11, json_read_text(sender, "name"));
	json_array_foreach(json_object_get(sender, "address"), i, line)
	{
		put_text(s, s->plain, SIZE, json_string_value(line));
	}
	put_text(s, s->plain, SIZE, json_read_text(sender, "tax_id"));
	s->y -= 2 * LINE;
}

static void put_head(struct sheet *s, const json_t *invoice)
{
	const char *status = json_read_text(invoice, "status"), *number = json_read_text(invoice, "number");
	char text[200];

	put_sender(s, json_object_get(invoice, "sender"));
	put(s, s->bold, 18, MARGIN, AT_LEFT, s->title);
	if (strcmp(status, "issued") != 0)
		put(s, s->bold, 18, s->width - MARGIN, AT_RIGHT, strcmp(status, "draft") == 0 ? "DRAFT" : "VOID");
	s->y -= 2 * LINE;
	put_text(s, s->plain, 11, json_read_text(invoice, "carrier"));
	snprintf(text, sizeof(text), "Calls from %s to %s (%s)", json_read_text(invoice, "from"),
		 json_read_text(invoice, "to"), json_read_text(invoice, "timezone"));
	put(s, s->plain, SIZE, MARGIN, AT_LEFT, text);
	s->y -= LINE;
	if (*number != '\0') {
		snprintf(text, sizeof(text), "Issued %.10s", json_read_text(invoice, "issued_at"));
		put(s, s->plain, SIZE, MARGIN, AT_LEFT, text);
		s->y -= LINE;
	}
	put_text(s, s->plain, SIZE, json_read_text(invoice, "note"));
	s->y -= LINE;
}

static void put_destination(struct sheet *s, const json_t *line)
{
	const char *kind = json_read_text(line, "kind"), *destination = json_read_text(line, "destination");
	json_int_t seconds = json_integer_value(json_object_get(line, "seconds"));
	char what[LETTERS_MAX], calls[24], minutes[32];

	snprintf(what, sizeof(what), "%s%s", *destination != '\0' ? destination : "(without a destination)",
		 strcmp(kind, "late_calls") == 0    ? ", earlier calls"
		 : strcmp(kind, "corrections") == 0 ? ", corrections"
						    : "");
	snprintf(calls, sizeof(calls), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(line, "calls")));
	snprintf(minutes, sizeof(minutes), "%" JSON_INTEGER_FORMAT ":%02d", seconds / 60, (int)(seconds % 60));
	row(s, s->plain, what, calls, minutes, json_read_text(line, "amount"));
}

static void put_sums(struct sheet *s, const json_t *invoice)
{
	const json_t *tax;
	char what[120];
	size_t i;

	room_for_row(s);
	rule(s);
	row(s, s->plain, "Net", "", "", json_read_text(invoice, "net"));
	json_array_foreach(json_object_get(invoice, "taxes"), i, tax)
	{
		snprintf(what, sizeof(what), "%s %s %%", json_read_text(tax, "name"), json_read_text(tax, "percent"));
		row(s, s->plain, what, "", "", json_read_text(tax, "amount"));
	}
	snprintf(what, sizeof(what), "Total %s", json_read_text(invoice, "currency"));
	row(s, s->bold, what, "", "", json_read_text(invoice, "total"));
}

static void name_it(struct sheet *s, const json_t *invoice)
{
	bool sell = strcmp(json_read_text(invoice, "side"), "sell") == 0;

	snprintf(s->title, sizeof(s->title), "%s %s", sell ? "Invoice" : "Statement of traffic",
		 json_read_text(invoice, "number"));
	s->carrier = json_read_text(invoice, "carrier");
	snprintf(s->amount, sizeof(s->amount), "Amount, %s", json_read_text(invoice, "currency"));
}

static void draw(struct sheet *s, const json_t *invoice)
{
	const json_t *line;
	size_t i;

	name_it(s, invoice);
	page_new(s);
	put_head(s, invoice);
	columns(s);
	json_array_foreach(json_object_get(invoice, "lines"), i, line)
	{
		put_destination(s, line);
	}
	put_sums(s, invoice);
	put_feet(s);
}

/* Which letter a code of the text is: itself. libharu's own table for this is of the wrong kind (begincidrange), which
 * readers pass over, and then find and copy nothing. Ranges must not cross a first byte, and stand in blocks of 100 at
 * most.
 */
static void tell_letters(HPDF_Font font)
{
	HPDF_Dict table = HPDF_Dict_GetItem(font, "ToUnicode", HPDF_OCLASS_DICT);
	char text[80];

	if (table == NULL)
		return;
	HPDF_MemStream_FreeData(table->stream);
	HPDF_Stream_WriteStr(table->stream, "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n"
					    "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
					    "/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n"
					    "1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n");
	for (unsigned high = 0; high < 256; high++) {
		if (high % 64 == 0)
			HPDF_Stream_WriteStr(table->stream, "64 beginbfrange\n");
		snprintf(text, sizeof(text), "<%02X00> <%02XFF> <%02X00>\n%s", high, high, high,
			 high % 64 == 63 ? "endbfrange\n" : "");
		HPDF_Stream_WriteStr(table->stream, text);
	}
	HPDF_Stream_WriteStr(table->stream, "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n");
}

/* A file that is no font is an error that libharu tidies up after itself, if it is not jumped out of: else it keeps the
 * file open. */
static HPDF_Font font_of(struct sheet *s, const char *path)
{
	HPDF_SetErrorHandler(s->doc, NULL);
	s->font = path;
	const char *name = HPDF_LoadTTFontFromFile(s->doc, path, HPDF_TRUE);
	HPDF_SetErrorHandler(s->doc, on_error);
	if (name == NULL)
		on_error(HPDF_GetError(s->doc), 0, s);
	HPDF_Font font = HPDF_GetFont(s->doc, name, "UTF-8");
	tell_letters(font);
	s->font = NULL;
	return font;
}

static void begin(struct sheet *s, const struct invoice_fonts *fonts)
{
	HPDF_SetCompressionMode(s->doc, HPDF_COMP_ALL);
	HPDF_UseUTFEncodings(s->doc);
	s->plain = font_of(s, fonts->plain);
	s->bold = strcmp(fonts->plain, fonts->bold) == 0 ? s->plain : font_of(s, fonts->bold);
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

static int font_check(const char *path, struct status *st)
{
	if (access(path, R_OK) == 0)
		return 0;
	return status_set(st, -EIO,
			  "the font %s cannot be read: %s; install fonts-dejavu-core, or correct [invoice] font", path,
			  strerror(errno));
}

static int failure(const struct sheet *s, struct status *st)
{
	if (s->font != NULL)
		return status_set(st, -EIO,
				  "the font %s is of no use here: libharu says 0x%04lx; take another TrueType file",
				  s->font, s->error);
	return status_set(st, -EIO, "the PDF could not be made: libharu says 0x%04lx", s->error);
}

int invoice_put_pdf(struct buf *out, const json_t *invoice, const struct invoice_fonts *fonts, struct status *st)
{
	int err = font_check(fonts->plain, st);

	if (err == 0)
		err = font_check(fonts->bold, st);
	if (err != 0)
		return err;

	struct sheet *s = xcalloc(1, sizeof(*s));
	if (setjmp(s->failed) == 0) {
		s->doc = HPDF_New(on_error, s);
		begin(s, fonts);
		draw(s, invoice);
		collect(s, out);
	} else {
		buf_reset(out);
		err = failure(s, st);
	}
	if (s->doc != NULL)
		HPDF_Free(s->doc);
	free(s->pages);
	free(s);
	return err;
}
