-- SPDX-License-Identifier: Apache-2.0
-- 0050: what the calls of a proxy trunk cannot have, named from whichever side it is written. A proxy ends no call, answers no
-- challenge and changes no body: money limits, digest, media relay and lists of codecs need mode b2bua.

-- One line a proxy trunk and thing that its own side asks for.
create function api_proxy_own_faults(trunk bigint, carrier bigint) returns setof api_fault language sql stable as $$
	select case when carrier is null then 'mode' else f.field end, format('trunk %s is a proxy, and %s: that needs mode b2bua', t.name, f.why)
	from trunks t join carriers c on c.id = t.carrier_id, lateral (values
		('billing_mode', c.billing_mode = 'prepaid', 'its carrier is prepaid, so calls may have to be cut off'),
		('credit_limit', c.billing_mode <> 'prepaid' and c.credit_limit is not null,
			'its carrier has a credit limit, so calls may have to be cut off'),
		('media', carrier is null and t.media = 'relay', 'its media are relayed'),
		('codecs', carrier is null and t.codecs <> '[]', 'it lists codecs')) f (field, holds, why)
	where t.mode = 'proxy' and t.direction = 'ingress' and f.holds
	  and (trunk is null or t.id = trunk) and (carrier is null or c.id = carrier)
$$;

-- One line a vendor trunk in the plan of a proxy trunk, and thing that the vendor's side asks for.
create function api_proxy_vendor_faults(trunk bigint, plan bigint) returns setof api_fault language sql stable as $$
	select case when plan is not null then 'members' when v.id = trunk then f.field else 'mode' end,
		format('trunk %s is a proxy, and vendor trunk %s %s: that needs mode b2bua', t.name, v.name, f.why)
	from trunks t join routing_plan_members m on m.plan_id = t.routing_plan_id join trunks v on v.id = m.trunk_id, lateral (values
		('username', v.username is not null, 'asks for digest'),
		('media', v.media = 'relay', 'has its media relayed'),
		('codecs', v.codecs <> '[]', 'lists codecs')) f (field, holds, why)
	where t.mode = 'proxy' and t.direction = 'ingress' and f.holds
	  and (trunk is null or trunk in (t.id, v.id)) and (plan is null or m.plan_id = plan)
$$;

create or replace function api_proxy_faults(trunk bigint, carrier bigint, plan bigint) returns setof api_fault language sql stable as $$
	select * from api_proxy_own_faults(trunk, carrier) where plan is null
	union all
	select * from api_proxy_vendor_faults(trunk, plan) where carrier is null
	limit 10
$$;
