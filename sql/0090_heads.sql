-- SPDX-License-Identifier: Apache-2.0
-- 0090: how far each spool's records have come in, written by the COMMIT that brings them. A standby that takes over without the last
-- commits, or a restore, takes it back with them: so the spool learns what to post again.

create table cdr_heads (
	chain_id uuid primary key,
	seq bigint not null
);
