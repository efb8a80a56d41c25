/* SPDX-License-Identifier: Apache-2.0 */
/* unit.h - in what a numeric field is counted. One table by name, as a name means the same in every resource.
 *
 * unit_of - "s", "calls", "money"...; NULL if the field is no number, or an id, or not in the table (a test says so)
 */
#ifndef API_UNIT_H
#define API_UNIT_H

#include "api/fields.h"

const char *unit_of(const struct field *f);

#endif
