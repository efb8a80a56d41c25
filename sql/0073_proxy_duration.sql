-- SPDX-License-Identifier: Apache-2.0
-- 0073: max_duration, too, needs mode b2bua. A proxy cannot end a call: its record would end, while the call goes on and costs.

create or replace function api_proxy_own_faults(trunk bigint, carrier bigint) returns setof api_fault language sql stable as $$
	select case when carrier is null then 'mode' else f.field end, format('trunk %s is a proxy, and %s: that needs mode b2bua', t.name, f.why)
	from trunks t join carriers c on c.id = t.carrier_id, lateral (values
		('billing_mode', c.billing_mode = 'prepaid', 'its carrier is prepaid, so calls may have to be cut off'),
		('credit_limit', c.billing_mode <> 'prepaid' and c.credit_limit is not null,
			'its carrier has a credit limit, so calls may have to be cut off'),
		('media', carrier is null and t.media = 'relay', 'its media are relayed'),
		('codecs', carrier is null and t.codecs <> '[]', 'it lists codecs'),
		('max_duration', carrier is null and t.max_duration is not null, 'it has a max_duration, so calls may have to be cut off')) f (field, holds, why)
	where t.mode = 'proxy' and t.direction = 'ingress' and f.holds
	  and (trunk is null or t.id = trunk) and (carrier is null or c.id = carrier)
$$;

create or replace function api_proxy_vendor_faults(trunk bigint, plan bigint) returns setof api_fault language sql stable as $$
	select case when plan is not null then 'members' when v.id = trunk then f.field else 'mode' end,
		format('trunk %s is a proxy, and vendor trunk %s %s: that needs mode b2bua', t.name, v.name, f.why)
	from trunks t join routing_plan_members m on m.plan_id = t.routing_plan_id join trunks v on v.id = m.trunk_id, lateral (values
		('username', v.username is not null, 'asks for digest'),
		('media', v.media = 'relay', 'has its media relayed'),
		('codecs', v.codecs <> '[]', 'lists codecs'),
		('max_duration', v.max_duration is not null, 'has a max_duration')) f (field, holds, why)
	where t.mode = 'proxy' and t.direction = 'ingress' and f.holds
	  and (trunk is null or trunk in (t.id, v.id)) and (plan is null or m.plan_id = plan)
$$;
