-- SPDX-License-Identifier: Apache-2.0
-- 0091: the figures of archived days, put aside by 0080, come back in the slices of 0081. By hour no destination was kept: those of a
-- day stand in its first hour, so that a day or more of them is right.

insert into stats_hours as s (slice, at, destination, carrier_id, trunk_id, tried, currency,
	calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6,
	b7, b8, b9, b10, b11, b12, b13, b14, b15, b16)
select slice, at, destination, carrier_id, trunk_id, tried, currency,
	sum(calls), sum(answered), sum(effective), sum(unconverted), sum(talk_ms), sum(sell_billed_s), sum(buy_billed_s),
	sum(revenue), sum(cost), sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10),
	sum(b11), sum(b12), sum(b13), sum(b14), sum(b15), sum(b16)
  from stats_kept, lateral (values
	(0::smallint, of_hour, '', 0::bigint, 0::bigint, vendor <> 0),
	(1, of_hour, '', customer, customer_trunk, true),
	(2, of_hour and vendor <> 0, '', vendor, vendor_trunk, true),
	(3, not of_hour, dest, 0, 0, vendor <> 0)) k(slice, counts, destination, carrier_id, trunk_id, tried)
 where counts
 group by 1, 2, 3, 4, 5, 6, 7 having sum(calls) > 0
on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update set (
	calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6,
	b7, b8, b9, b10, b11, b12, b13, b14, b15, b16) = (
	s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective,
	s.unconverted + excluded.unconverted, s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s,
	s.buy_billed_s + excluded.buy_billed_s, s.revenue + excluded.revenue, s.cost + excluded.cost, s.b1 + excluded.b1,
	s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4, s.b5 + excluded.b5, s.b6 + excluded.b6,
	s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10, s.b11 + excluded.b11,
	s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16);

insert into stats_days as s (slice, at, destination, carrier_id, trunk_id, tried, currency,
	calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6,
	b7, b8, b9, b10, b11, b12, b13, b14, b15, b16)
select slice, at, destination, carrier_id, trunk_id, tried, currency,
	sum(calls), sum(answered), sum(effective), sum(unconverted), sum(talk_ms), sum(sell_billed_s), sum(buy_billed_s),
	sum(revenue), sum(cost), sum(b1), sum(b2), sum(b3), sum(b4), sum(b5), sum(b6), sum(b7), sum(b8), sum(b9), sum(b10),
	sum(b11), sum(b12), sum(b13), sum(b14), sum(b15), sum(b16)
  from stats_kept, lateral (values
	(1::smallint, not of_hour, '', customer, customer_trunk, true),
	(2, not of_hour and vendor <> 0, '', vendor, vendor_trunk, true),
	(3, not of_hour, dest, 0, 0, vendor <> 0),
	(4, not of_hour, dest, customer, customer_trunk, true),
	(5, not of_hour and vendor <> 0, dest, vendor, vendor_trunk, true)) k(slice, counts, destination, carrier_id, trunk_id, tried)
 where counts
 group by 1, 2, 3, 4, 5, 6, 7 having sum(calls) > 0
on conflict (slice, at, destination, carrier_id, trunk_id, tried, currency) do update set (
	calls, answered, effective, unconverted, talk_ms, sell_billed_s, buy_billed_s, revenue, cost, b1, b2, b3, b4, b5, b6,
	b7, b8, b9, b10, b11, b12, b13, b14, b15, b16) = (
	s.calls + excluded.calls, s.answered + excluded.answered, s.effective + excluded.effective,
	s.unconverted + excluded.unconverted, s.talk_ms + excluded.talk_ms, s.sell_billed_s + excluded.sell_billed_s,
	s.buy_billed_s + excluded.buy_billed_s, s.revenue + excluded.revenue, s.cost + excluded.cost, s.b1 + excluded.b1,
	s.b2 + excluded.b2, s.b3 + excluded.b3, s.b4 + excluded.b4, s.b5 + excluded.b5, s.b6 + excluded.b6,
	s.b7 + excluded.b7, s.b8 + excluded.b8, s.b9 + excluded.b9, s.b10 + excluded.b10, s.b11 + excluded.b11,
	s.b12 + excluded.b12, s.b13 + excluded.b13, s.b14 + excluded.b14, s.b15 + excluded.b15, s.b16 + excluded.b16);

drop table stats_kept;
