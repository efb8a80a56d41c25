/* SPDX-License-Identifier: Apache-2.0 */
/* manual.h - what is printed from the tables of commands and settings: manual pages, bash completion, the sample file.
 * The build runs `tandem --manual PAGE`, so that none of them can differ from the program.
 */
#ifndef CLI_MANUAL_H
#define CLI_MANUAL_H

#include "cli/cli.h"

/* manual_print - one page on standard output: "tandem.1", "tandem.conf.5", "tandem.bash" or "tandem.conf".
 *   returns CLI_DONE, or CLI_USAGE after a line on standard error if there is no such page */
enum cli_exit manual_print(const char *page, const struct command *const *commands, size_t n);

#endif
