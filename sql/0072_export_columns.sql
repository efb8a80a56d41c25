-- SPDX-License-Identifier: Apache-2.0
-- 0072: a run keeps how many columns its cdrs.csv.gz has, so that it is written again byte for byte after CDRs have got more. Runs from
-- before have 40: up to chain_seq. A migration that appends columns to export_open sets the default anew.

alter table export_runs add column columns smallint not null default 40 check (columns between 40 and 63);
alter table export_runs alter column columns set default 42;
