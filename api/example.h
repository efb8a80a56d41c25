/* SPDX-License-Identifier: Apache-2.0 */
/* example.h - what a field or a query parameter looks like in the description: its own example, or one of its type.
 * All return new references; NULL where a type alone says too little (a test says so).
 */
#ifndef API_EXAMPLE_H
#define API_EXAMPLE_H

#include "api/fields.h"
#include "api/params.h"

/* input: of a body that is sent, without what only answers hold */
json_t *example_of_field(const struct field *f, bool input);
json_t *example_of_param(const struct param_rule *rule);

#endif
