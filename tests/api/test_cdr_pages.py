# SPDX-License-Identifier: Apache-2.0
"""Pages of CDRs: however the days are looked through, a listing is what one query over all of them would give."""

from story.described import ApiStory

# Days before now that have calls: some in the last one, some where the search has widened once, twice, and to everything; and one call whose
# node's clock runs ahead. Three calls at each moment, two of them in the same microsecond.
AGES = ("0 min", "10 min", "23 h", "25 h", "3 days", "7 days 23 h", "9 days", "40 days", "70 days", "400 days", "2000 days", "-2 h")


class Pages(ApiStory):
    @classmethod
    def furnish(cls, stack):
        values = ", ".join(f"('{age}'::interval, {n})" for n, age in enumerate(AGES))
        stack.postgres.psql(f"""
            create table made as select now() - age + ((k / 2) || ' microseconds')::interval as at, n * 3 + k as n
              from (values {values}) a(age, n), generate_series(0, 2) k;
            select cdr_partition_make(d) from (select distinct (at at time zone 'UTC')::date as d from made) days;
            insert into cdrs (id, node, started_at, ended_at, ingress_carrier_id, called_in, duration_ms, disconnect_reason, hangup_party, attempts,
                sip_code, recovered)
            select (left(uuid_floor(at)::text, 14) || '7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'sw1', at, at, 1 + n % 2, '49' || n, 0, 'busy', 'callee',
                0, case when n = 28 then 480 else 486 end, false from made""")

    def expected(self, where="true"):
        found = self.stack.postgres.psql(f"select id from cdrs where {where} order by started_at desc, id desc")
        return found.split()

    def listed(self, **query):
        return [c["id"] for c in self.api.items("/v1/cdrs", **query)]

    def test_pages_of_any_size_lead_through_all_days(self):
        everything = self.expected()
        self.assertEqual(len(everything), 3 * len(AGES))
        for limit in (1, 2, 5, 17, 100):
            with self.subTest(limit=limit):
                self.assertEqual(self.listed(limit=limit), everything)

    def test_the_only_call_of_a_kind_is_found_however_old(self):
        self.assertEqual(self.listed(sip_code=480), self.expected("sip_code = 480"))
        self.assertEqual(self.listed(called="4930"), self.expected("called_in = '4930'"))
        self.assertEqual(len(self.listed(called="4930")), 1)
        self.assertEqual(self.listed(sip_code=500), [])

    def test_bounds_hold_where_the_search_widens(self):
        for age in AGES[:-1]:
            at = self.stack.postgres.psql(f"select api_time(now() - interval '{age}' - interval '1 minute')")
            with self.subTest(age=age):
                self.assertEqual(self.listed(from_=at, limit=4), self.expected(f"started_at >= '{at}'"))
                self.assertEqual(self.listed(to=at, limit=4), self.expected(f"started_at < '{at}'"))
        self.assertEqual(self.listed(from_="2000-01-01T00:00:00Z", to="2100-01-01T00:00:00Z", limit=7), self.expected())

    def test_filters_go_on_over_all_days(self):
        self.assertEqual(self.listed(carrier_id=2, limit=3), self.expected("ingress_carrier_id = 2"))

    def test_a_cursor_out_of_any_time_is_no_failure(self):
        self.assertEqual(self.listed(from_="2090-01-01T00:00:00Z"), [])
        self.assertEqual(self.listed(to="1970-01-01T00:00:00Z"), [])
