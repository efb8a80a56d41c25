/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "billing/export_dir.h"
#include "billing/export_file.h"
#include "billing/export_row.h"

static const char *names_in(const struct export_shape *shape, struct buf *out)
{
	buf_reset(out);
	export_put_header(out, shape);
	return out->text;
}

static void a_customer_sees_nothing_of_the_vendor(void **state)
{
	struct export_shape sell = export_shape_of(EXPORT_SELL), buy = export_shape_of(EXPORT_BUY);
	static const char *const hidden_from_sell[] = {"egress_",   "_out",  "attempts", "buy_",
						       "b_call_id", "chain", "lrn",	 "rated"};
	static const char *const hidden_from_buy[] = {"ingress_",  "_in,",  "sell_", "source_ip",
						      "a_call_id", "chain", "lrn",   "rated"};
	struct buf text = {0};

	for (size_t i = 0; i < sizeof(hidden_from_sell) / sizeof(hidden_from_sell[0]); i++)
		assert_null(strstr(names_in(&sell, &text), hidden_from_sell[i]));
	assert_non_null(strstr(text.text, "sell_amount"));
	for (size_t i = 0; i < sizeof(hidden_from_buy) / sizeof(hidden_from_buy[0]); i++)
		assert_null(strstr(names_in(&buy, &text), hidden_from_buy[i]));
	assert_non_null(strstr(text.text, "buy_amount"));
	buf_free(&text);
}

static void the_operator_sees_every_column(void **state)
{
	struct export_shape all = export_shape_of(EXPORT_OPERATOR);
	struct buf text = {0};
	int commas = 0;

	for (const char *p = names_in(&all, &text); *p != '\0'; p++)
		commas += *p == ',';
	assert_int_equal(commas, EXPORT_COLUMNS - 1);
	buf_free(&text);
}

static void chosen_columns_keep_the_order_of_a_cdr(void **state)
{
	const char *const names[] = {"sell_amount", "id", "called_in"};
	struct export_shape shape;
	struct status st = {""};
	struct buf text = {0};

	assert_int_equal(export_shape_choose(EXPORT_SELL, "csv", names, 3, &shape, &st), 0);
	assert_string_equal(names_in(&shape, &text), "id,called_in,sell_amount\n");
	buf_free(&text);
}

static void a_choice_cannot_show_what_is_hidden(void **state)
{
	const char *const hidden[] = {"buy_amount"}, *const unknown[] = {"colour"};
	struct export_shape shape;
	struct status st = {""};

	assert_int_equal(export_shape_choose(EXPORT_SELL, "csv", hidden, 1, &shape, &st), -EINVAL);
	assert_non_null(strstr(st.text, "buy_amount"));
	assert_int_equal(export_shape_choose(EXPORT_SELL, "csv", unknown, 1, &shape, &st), -EINVAL);
	assert_int_equal(export_shape_choose(EXPORT_SELL, "xml", NULL, 0, &shape, &st), -EINVAL);
}

static void a_row_is_quoted_where_it_must_be(void **state)
{
	const char *const names[] = {"id", "destination", "sip_code", "recovered", "called_in"};
	const char *values[EXPORT_COLUMNS] = {
		[0] = "7", [11] = NULL, [14] = "North, \"A\"\n\x01", [17] = "200", [35] = "false"};
	struct export_shape shape;
	struct status st = {""};
	struct buf text = {0};

	assert_int_equal(export_shape_choose(EXPORT_SELL, "csv", names, 5, &shape, &st), 0);
	export_put_row(&text, &shape, values);
	assert_string_equal(text.text, "7,,\"North, \"\"A\"\"\n\x01\",200,false\n");
	buf_reset(&text);
	assert_int_equal(export_shape_choose(EXPORT_SELL, "jsonl", names, 5, &shape, &st), 0);
	export_put_header(&text, &shape);
	export_put_row(&text, &shape, values);
	assert_string_equal(text.text,
			    "{\"id\":\"7\",\"called_in\":null,\"destination\":\"North, \\\"A\\\"\\u000a\\u0001\","
			    "\"sip_code\":200,\"recovered\":false}\n");
	buf_free(&text);
}

/* ---- files ---- */

static char folder[] = "/tmp/tandem-test-export-XXXXXX";

static int make_folder(void **state)
{
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* a megabyte that compresses badly, and the same each time */
static char *noise(size_t len)
{
	char *bytes = xcalloc(1, len + 1);
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (char)('a' + (x >> 24) % 26);
	}
	return bytes;
}

static void write_in_steps(int dir, const char *name, const char *bytes, size_t len, size_t step,
			   struct export_seal *seal)
{
	struct export_file *f = export_file_new(dir, name);
	struct status st = {""};

	for (size_t at = 0; at < len; at += step)
		assert_int_equal(export_file_write(f, bytes + at, len - at < step ? len - at : step, &st), 0);
	assert_int_equal(export_file_seal(f, seal, &st), 0);
	export_file_free(&f);
}

static void the_same_lines_give_the_same_bytes(void **state)
{
	const size_t len = 1 << 20;
	struct export_seal one, two;
	char *bytes = noise(len), *back = xcalloc(1, len + 1), path[80];
	int dir = open(folder, O_RDONLY | O_DIRECTORY);

	write_in_steps(dir, "one.gz", bytes, len, 97, &one);
	write_in_steps(dir, "two.gz", bytes, len, len, &two);
	assert_string_equal(one.sha256, two.sha256);
	assert_int_equal(one.bytes, two.bytes);
	snprintf(path, sizeof(path), "%s/one.gz", folder);
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_size, one.bytes);
	gzFile f = gzopen(path, "r");
	assert_int_equal(gzread(f, back, (unsigned)len + 1), len);
	gzclose(f);
	assert_memory_equal(back, bytes, len);
	free(bytes);
	free(back);
	close(dir);
}

static void a_file_is_never_written_over(void **state)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY);
	struct export_file *f = export_file_new(dir, "three.gz");
	struct export_seal seal;
	struct status st = {""};

	assert_int_equal(mknodat(dir, "three.gz", S_IFREG | 0600, 0), 0);
	assert_int_equal(export_file_seal(f, &seal, &st), -EEXIST);
	assert_non_null(strstr(st.text, "three.gz"));
	export_file_free(&f);
	close(dir);
}

static void a_directory_appears_whole_or_not_at_all(void **state)
{
	struct export_dir d;
	struct export_seal seal;
	struct status st = {""};
	char path[PATH_MAX];

	assert_int_equal(export_dir_path(folder, "2026-05-01", 7, path, &st), 0);
	assert_int_equal(export_dir_open(&d, folder, "2026-05-01", 7, &st), 0);
	write_in_steps(d.fd, "a.gz", "x", 1, 1, &seal);
	export_dir_close(&d);
	assert_int_equal(access(path, F_OK), -1);
	for (int i = 0; i < 2; i++) { /* the second time in place of the first */
		assert_int_equal(export_dir_open(&d, folder, "2026-05-01", 7, &st), 0);
		write_in_steps(d.fd, i == 0 ? "a.gz" : "b.gz", "x", 1, 1, &seal);
		assert_int_equal(export_dir_publish(&d, &st), 0);
		export_dir_close(&d);
	}
	assert_int_equal(access(path, F_OK), 0);
	strcat(path, "/a.gz");
	assert_int_equal(access(path, F_OK), -1);
	path[strlen(path) - 4] = 'b';
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/2026-05-01/.7.%ld", folder, (long)getpid());
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_customer_sees_nothing_of_the_vendor),
		cmocka_unit_test(the_operator_sees_every_column),
		cmocka_unit_test(chosen_columns_keep_the_order_of_a_cdr),
		cmocka_unit_test(a_choice_cannot_show_what_is_hidden),
		cmocka_unit_test(a_row_is_quoted_where_it_must_be),
		cmocka_unit_test(the_same_lines_give_the_same_bytes),
		cmocka_unit_test(a_file_is_never_written_over),
		cmocka_unit_test(a_directory_appears_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
