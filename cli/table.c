/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/buf.h"

#define GAP 2
#define NARROWEST 6

struct table {
	const char *const *header;
	size_t columns, rows, cap;
	char **cell; /* rows × columns */
};

struct table *table_new(const char *const *headers)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->header = headers;
	while (headers[t->columns] != NULL)
		t->columns++;
	return t;
}

void table_row(struct table *t, const char *const *cells)
{
	if (t->rows == t->cap) {
		t->cap = t->cap > 0 ? t->cap * 2 : 32;
		t->cell = xrealloc(t->cell, t->cap * t->columns * sizeof(char *));
	}
	for (size_t c = 0; c < t->columns; c++)
		t->cell[t->rows * t->columns + c] = xstrdup(cells[c] != NULL && *cells[c] != '\0' ? cells[c] : "-");
	t->rows++;
}

/* characters, not bytes: what follows a UTF-8 lead byte takes no room */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static const char *title(const struct table *t, size_t column)
{
	return t->header[column] + (t->header[column][0] == '>' || t->header[column][0] == '!');
}

size_t table_terminal_width(int fd)
{
	struct winsize size;

	if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

/* the widest column that may gives up characters until a line fits; false if none does */
static bool fit(const struct table *t, size_t *width, size_t limit)
{
	size_t total = GAP * (t->columns - 1);

	for (size_t c = 0; c < t->columns; c++)
		total += width[c];
	while (total > limit) {
		size_t widest = t->columns;

		for (size_t c = 0; c < t->columns; c++) {
			if (t->header[c][0] != '!' && (widest == t->columns || width[c] > width[widest]))
				widest = c;
		}
		if (widest == t->columns || width[widest] <= NARROWEST)
			return false;
		width[widest]--;
		total--;
	}
	return true;
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
	size_t len = width_of(text), shown = len <= width ? len : width - 1;
	const char *end = text;

	for (size_t n = 0; *end != '\0'; end++) {
		n += ((unsigned char)*end & 0xc0) != 0x80;
		if (n > shown)
			break;
	}
	size_t pad = len <= width ? width - len : 0;
	printf("%*s%.*s%s%*s", right ? (int)pad : 0, "", (int)(end - text), text, len <= width ? "" : "…",
	       right || last ? 0 : (int)pad, "");
	printf("%*s", last ? 0 : GAP, "");
}

static void print_line(const struct table *t, const size_t *width, char *const *cells)
{
	for (size_t c = 0; c < t->columns; c++)
		print_cell(cells != NULL ? cells[c] : title(t, c), width[c], t->header[c][0] == '>',
			   c + 1 == t->columns);
	putchar('\n');
}

static void print_lines(const struct table *t, const size_t *width)
{
	print_line(t, width, NULL);
	for (size_t r = 0; r < t->rows; r++)
		print_line(t, width, t->cell + r * t->columns);
}

/* A terminal too narrow for a line: each row has a line a cell, as psql's \x auto has it. */
static void print_records(const struct table *t, size_t limit)
{
	size_t names = 0;

	for (size_t c = 0; c < t->columns; c++)
		if (width_of(title(t, c)) > names)
			names = width_of(title(t, c));
	for (size_t r = 0; r < t->rows; r++) {
		if (r > 0)
			putchar('\n');
		for (size_t c = 0; c < t->columns; c++) {
			const char *cell = t->cell[r * t->columns + c];
			size_t wide = width_of(cell), name = names, room;

			if (t->header[c][0] == '!' && names + GAP + wide > limit)
				name = width_of(title(t, c)); /* closer: it stays whole */
			room = limit > name + GAP + 1 ? limit - name - GAP : 1;
			print_cell(title(t, c), name, false, false);
			print_cell(cell, t->header[c][0] == '!' || wide < room ? wide : room, false, true);
			putchar('\n');
		}
	}
	if (t->rows == 0)
		printf("none\n");
}

void table_print(struct table **tp)
{
	struct table *t = *tp;
	/* a file or a pipe takes lines of any length */
	size_t *width = xcalloc(t->columns, sizeof(*width)), limit = table_terminal_width(STDOUT_FILENO);

	for (size_t c = 0; c < t->columns; c++) {
		width[c] = width_of(title(t, c));
		for (size_t r = 0; r < t->rows; r++) {
			size_t w = width_of(t->cell[r * t->columns + c]);

			if (w > width[c])
				width[c] = w;
		}
	}
	if (limit > 0 && !fit(t, width, limit))
		print_records(t, limit);
	else
		print_lines(t, width);

	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cell[i]);
	free(t->cell);
	free(t);
	free(width);
	*tp = NULL;
}
