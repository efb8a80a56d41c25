-- SPDX-License-Identifier: Apache-2.0
-- 0084: number lists look at calls that come in: an egress trunk on one would do nothing, and nobody would be told.

create or replace function api_number_list_faults(key bigint) returns setof api_fault language sql stable as $$
	select format('trunk_ids[%s]', i.n - 1), case when t.id is null then format('there is no trunk %s', i.id)
		else format('trunk %s is an egress trunk; lists look at calls that come in', i.id) end
	from number_lists l, unnest(l.trunk_ids) with ordinality i(id, n) left join trunks t on t.id = i.id
	where l.id = key and t.direction is distinct from 'ingress'
	union all
	select format('carrier_ids[%s]', i.n - 1), format('there is no carrier %s', i.id)
	from number_lists l, unnest(l.carrier_ids) with ordinality i(id, n)
	where l.id = key and not exists (select from carriers c where c.id = i.id)
$$;
