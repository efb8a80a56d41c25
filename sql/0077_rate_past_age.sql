-- SPDX-License-Identifier: Apache-2.0
-- 0077: what rates once said is kept for 400 days, and with it the versions that need it.

-- A version may go while a later roll-back names it.
alter table rate_versions drop constraint rate_versions_rolled_back_to_fkey;
alter table imports drop constraint imports_version_id_fkey;

-- rate_past_expire - remove what was altered or removed longer ago than `age`, and the versions from before that; a deck's newest
--   version stays, with all that it needs, however old it is. A piece of at most `most` rates; returns how many went. Past
--   rates that re-rating takes stand in rates, with their end, and are not touched. A deck that somebody writes to waits.
create function rate_past_expire(age interval default '400 days', most bigint default 50000) returns bigint
language plpgsql as $$
declare
	deck bigint;
	until timestamptz;
	removed bigint := 0;
	more bigint;
begin
	for deck, until in
		select d.id, least(now() - age, (select max(v.at) from rate_versions v where v.deck_id = d.id)) from rate_decks d
	loop
		continue when not exists (select from rate_past p where p.deck_id = deck and p.gone_at <= until)
			and not exists (select from rate_versions v where v.deck_id = deck and v.at < until);
		perform from rate_decks where id = deck for update skip locked;
		continue when not found;
		delete from rate_versions v where v.deck_id = deck and v.at < until;
		delete from rate_past where ctid = any (array(
			select p.ctid from rate_past p where p.deck_id = deck and p.gone_at <= until
			order by p.gone_at limit most - removed));
		get diagnostics more = row_count;
		removed := removed + more;
		exit when removed >= most;
	end loop;
	return removed;
end $$;
