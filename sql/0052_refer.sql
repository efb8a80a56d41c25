-- SPDX-License-Identifier: Apache-2.0
-- 0052: whether transfers by REFER may cross a trunk.

alter table trunks add column allow_refer boolean not null default false;

create or replace function api_trunk(t trunks) returns json language sql stable as $$
	select case t.direction when 'ingress' then (select row_to_json(x) from (
		select t.id, t.carrier_id, t.name, t.direction, t.enabled, t.max_channels, t.max_cps, t.translations, t.codecs,
			t.identity, t.pass_headers, t.allow_refer, t.media, t.session_expires, t.max_duration, t.listen, t.transport,
			t.tech_prefix, t.username, t.rate_deck_id, t.source_cidrs, t.routing_plan_id, t.trust_pai,
			api_money(t.min_margin) as min_margin, api_money(t.min_margin_percent) as min_margin_percent, t.allow_loss,
			t.hunt_after_media, t.code_map, t.mode, api_time(t.created_at) as created_at,
			api_time(t.updated_at) as updated_at, t.version) x)
	else (select row_to_json(x) from (
		select t.id, t.carrier_id, t.name, t.direction, t.enabled, t.max_channels, t.max_cps, t.translations, t.codecs,
			t.identity, t.pass_headers, t.allow_refer, t.media, t.session_expires, t.max_duration, t.listen, t.transport,
			t.tech_prefix, t.username, t.rate_deck_id, t.host, t.port, t.register, t.probe_interval,
			t.no_response_timeout, t.progress_timeout, t.ring_timeout, t.stop_codes, t.max_redirects, t.registered_as,
			api_time(t.created_at) as created_at, api_time(t.updated_at) as updated_at, t.version) x)
	end
$$;
