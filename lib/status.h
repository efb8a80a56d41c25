/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - how a function of ours says that it failed.
 *
 * A function that can fail returns 0 or a negative errno. Where the caller must be able to tell a person
 * what was wrong, it also fills a struct status: one sentence that says what, where and what to do.
 */
#ifndef LIB_STATUS_H
#define LIB_STATUS_H

#define must_check __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

struct status {
	char text[512]; /* one sentence for a person, no trailing newline; empty if all is well */
};

/* status_set - write the sentence (cut at the size of text) and return err, so that
 *              `return status_set(st, -EINVAL, "...")` is one step. st may be NULL. */
int status_set(struct status *st, int err, const char *fmt, ...) printf_like(3, 4);

#endif
