-- SPDX-License-Identifier: Apache-2.0
-- 0071: a CDR of two currencies says by which rate its cost compares with what it earns: the dated rate from the buy
-- currency to the sell currency that was in force when the call began. Rates are never edited, so it is the same whenever
-- it is looked up. Records of one currency have none: nothing is asked for them.

create function cdr_exchange() returns trigger language plpgsql as $$
begin
	select x.rate into new.buy_to_sell_rate from exchange_rates x
	where x."from" = new.buy_currency and x."to" = new.sell_currency and x.effective_from <= new.started_at
	order by x.effective_from desc limit 1;
	return new;
end $$;

create trigger cdr_exchange before insert on cdrs for each row
	when (new.buy_to_sell_rate is null and new.buy_currency <> new.sell_currency)
	execute function cdr_exchange();
