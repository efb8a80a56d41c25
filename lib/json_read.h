/* SPDX-License-Identifier: Apache-2.0 */
/* json_read.h - what jansson leaves to its callers when they read. Header only: lib itself links no jansson. */
#ifndef LIB_JSON_READ_H
#define LIB_JSON_READ_H

#include <jansson.h>

/* json_read_text - a member of an object, borrowed; "" if it is absent, null or no string */
static inline const char *json_read_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

#endif
