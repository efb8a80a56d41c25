# SPDX-License-Identifier: Apache-2.0
"""Invoices: what they bill, once; numbers without gaps; PDF and CSV; and that the books agree to the last digit."""

import csv
import datetime
import html
import json
import os
import re
import subprocess
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

from story import Failure, Story

STAGE = """begin; select cdr_stage_make();
    insert into cdr_stage (id, node, started_at, answered_at, ended_at, ingress_carrier_id, egress_carrier_id, destination, duration_ms,
        disconnect_reason, hangup_party, attempts, sell_billed_s, sell_amount, sell_currency, buy_billed_s, buy_amount, buy_currency, recovered)
    values {rows}; select cdr_ingest(); commit"""


def id_of(at):
    """A UUIDv7 of that moment."""
    ms = int(datetime.datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp() * 1000)
    return str(uuid.UUID(f"{ms:012x}7{uuid.uuid4().hex[13:]}"))


def pages_of(path):
    """What a reader gets from a PDF: for each page its words, in their order, as (left edge, right edge, word)."""
    done = subprocess.run(["pdftotext", "-bbox", path, "-"], check=True, capture_output=True, text=True)
    if done.stderr:
        raise Failure(f"pdftotext complains: {done.stderr}")
    word = re.compile(r'<word xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">(.*?)</word>')
    return [[(float(left), float(right), html.unescape(text)) for left, right, text in word.findall(page)]
            for page in done.stdout.split("<page ")[1:]]


def said_by(path):
    """All words of a PDF, with a blank between."""
    return " ".join(word for page in pages_of(path) for _, _, word in page)


class Invoices(Story):
    """Each story has a customer and a vendor of its own; the calls are put in as a poster would."""

    stack_options = {"nodes": 0}

    def setUp(self):
        super().setUp()
        n = str(next(self._numbers))
        self.customer = self.stack.carrier("Müller & Söhne " + n, "EUR", timezone="Europe/Berlin")["id"]
        self.vendor = self.stack.carrier("vendor " + n, "EUR")["id"]

    def put(self, *calls):
        """calls: (started_at, destination, seconds, sell, buy)"""
        rows = [f"('{id_of(at)}', 'sw1', '{at}', '{at}', '{at}'::timestamptz + interval '{s} s', {self.customer}, {self.vendor}, '{destination}', "
                f"{s * 1000}, 'normal', 'caller', 1, {s}, {sell}, 'EUR', {s}, {buy}, 'EUR', false)" for at, destination, s, sell, buy in calls]
        self.stack.postgres.psql(STAGE.format(rows=", ".join(rows)))

    def create(self, first="2026-05-01", last="2026-05-31", *words, side="sell"):
        carrier = self.customer if side == "sell" else self.vendor
        return json.loads(self.stack.tandem("invoice", "create", "--carrier", str(carrier), "--from", first, "--to", last, "--side", side,
                                            "--json", *words).stdout)

    def issue(self, invoice):
        return json.loads(self.stack.tandem("invoice", "issue", str(invoice["id"]), "--json").stdout)

    def void(self, invoice):
        return json.loads(self.stack.tandem("invoice", "void", str(invoice["id"]), "--json").stdout)

    def lines(self, invoice):
        return [(line["kind"], line["destination"], line["calls"], line["seconds"], Decimal(line["amount"])) for line in invoice["lines"]]

    def balance(self, carrier):
        return Decimal(self.stack.api.get(f"/v1/carriers/{carrier}")["balance"])

    def refused(self, *words, status=1, says=""):
        done = self.stack.tandem("invoice", *words, check=False)
        self.assertEqual((done.returncode, len(done.stderr.strip().splitlines())), (status, 1), f"{words}: {done.stderr}")
        self.assertIn(says, done.stderr)

    def test_a_month_is_the_carriers_own_and_lines_are_destinations(self):
        self.put(("2026-04-30 21:59:59.999Z", "UK", 60, "0.1", "0.05"), ("2026-04-30 22:00Z", "UK", 61, "0.000001", "0.05"),
                 ("2026-05-10 10:00Z", "Peru", 600, "1.25", "1"), ("2026-05-31 21:59:59.999Z", "Peru", 30, "0.0625", "0.05"),
                 ("2026-05-31 22:00Z", "Peru", 30, "77", "0.05"))
        first = self.create("2026-04-01", "2026-04-30", "--issue")
        self.assertEqual(self.lines(first), [("calls", "UK", 1, 60, Decimal("0.1"))])
        may = self.create()
        self.assertEqual((may["status"], may["number"], may["from"], may["to"], may["timezone"], may["currency"]),
                         ("draft", None, "2026-05-01", "2026-05-31", "Europe/Berlin", "EUR"))
        self.assertEqual(self.lines(may), [("calls", "Peru", 2, 630, Decimal("1.3125")), ("calls", "UK", 1, 61, Decimal("0.000001"))])
        self.assertEqual((may["net"], may["tax"], may["total"], may["taxes"]), ("1.312501", "0.000000", "1.312501", []))

    def test_a_draft_claims_nothing_an_issued_one_once_and_late_calls_come_next(self):
        self.put(("2026-05-10 10:00Z", "UK", 60, "0.5", "0.25"))
        one, two = self.create(), self.create()
        self.assertEqual([Decimal(x["net"]) for x in (one, two)], [Decimal("0.5")] * 2)
        self.put(("2026-05-11 10:00Z", "UK", 60, "0.25", "0.25"))
        one = self.issue(one)
        self.assertEqual((one["status"], Decimal(one["net"])), ("issued", Decimal("0.75")), "what came since the draft is on it")
        self.assertEqual(self.lines(self.issue(two)), [], "everything is billed already")
        self.put(("2026-05-12 10:00Z", "UK", 6, "0.125", "0.25"), ("2026-06-02 10:00Z", "UK", 7, "0.0625", "0.25"))
        june = self.create("2026-06-01", "2026-06-30", "--issue")
        self.assertEqual(self.lines(june), [("calls", "UK", 1, 7, Decimal("0.0625")), ("late_calls", "UK", 1, 6, Decimal("0.125"))])
        self.refused("issue", str(one["id"]), says="there is no draft")

    def csv_rows(self, invoice):
        """[[kind, destination]]; the sender's rows have nothing more."""
        path = os.path.join(self.stack.folder, f"{invoice['id']}.csv")
        self.stack.tandem("invoice", "write", str(invoice["id"]), "--file", path)
        with open(path, encoding="utf-8", newline="") as f:
            rows = list(csv.reader(f))[1:]
        self.assertEqual({tuple(row[2:]) for row in rows if row[0].startswith("sender")} - {("", "", "")}, set())
        return [row[:2] for row in rows]

    def test_an_invoice_names_its_sender_and_keeps_it(self):
        api = self.stack.api
        nobodys = self.create()
        self.assertIsNone(nobodys["sender"])
        self.assertNotIn("sent by", self.stack.tandem("invoice", "show", str(nobodys["id"])).stdout)
        self.assertEqual([row[0] for row in self.csv_rows(nobodys)], ["net", "total"])
        words = {"name": "Größte Telefon-Gesellschaft für Überland- und Seekabelverbindungen mbH & Co. KG",
                 "address": ["Straße der Ströme 1", "12345 Köln"], "tax_id": "USt-IdNr. DE123456789"}
        first = api.post("/v1/invoice-senders", **words)
        self.addCleanup(lambda: self.stack.postgres.psql("delete from invoice_senders"))
        draft, issued = self.create(), self.create("2026-05-01", "2026-05-31", "--issue")
        self.assertEqual((draft["sender"], issued["sender"]), (words, words))
        path = os.path.join(self.stack.folder, "sent.pdf")
        self.stack.tandem("invoice", "write", str(issued["id"]), "--file", path)
        said = said_by(path)
        for line in words["name"], *words["address"], words["tax_id"]:
            self.assertIn(line, said)
        shown = self.stack.tandem("invoice", "show", str(issued["id"])).stdout.splitlines()
        self.assertEqual(shown[1], "sent by " + ", ".join([words["name"], *words["address"], words["tax_id"]]))
        self.assertEqual(self.csv_rows(issued)[:4], [["sender", words["name"]], ["sender_address", words["address"][0]],
                                                     ["sender_address", words["address"][1]], ["sender_tax_id", words["tax_id"]]])
        api.post("/v1/invoice-senders", name="Later", effective_from="2099-01-01T00:00:00Z")
        api.post("/v1/invoice-senders", name="New")
        api.delete(f"/v1/invoice-senders/{first['id']}")
        self.assertEqual(api.get(f"/v1/invoices/{issued['id']}")["sender"], words, "an issued one keeps it")
        self.assertEqual(self.issue(draft)["sender"], {"name": "New", "address": [], "tax_id": ""}, "a draft has who sends it when it is issued")
        self.void(issued)
        self.assertEqual(api.get(f"/v1/invoices/{issued['id']}")["sender"], words, "also when it is void")
        wrong = {422: {"address": []}, 409: {"name": "Twice", "effective_from": "2099-01-01T00:00:00Z"}}
        self.assertEqual({status: api.call("POST", "/v1/invoice-senders", body)[0] for status, body in wrong.items()}, {409: 409, 422: 422})

    def test_long_words_take_more_lines_on_paper_and_none_is_lost(self):
        """120 destinations of 120 letters, a carrier of 128: a line takes as many words as fit it, on each page."""
        self.stack.api.patch(f"/v1/carriers/{self.customer}", name=("Überlandtelefon " * 8)[:127] + "G")
        names = [f"Ä{n:03} " + "Außengebiete Ü " * 7 + "Ende" for n in range(120)]
        self.put(*[("2026-05-10 10:00Z", name, 60, "0.5", "0.25") for name in names])
        invoice = self.create("2026-05-01", "2026-05-31", "--issue", "--note", "Zahlbar binnen 14 Tagen. " * 4)
        path = os.path.join(self.stack.folder, "long.pdf")
        self.stack.tandem("invoice", "write", str(invoice["id"]), "--file", path)
        pages = pages_of(path)
        said = [word for page in pages for word in page]
        head = " ".join(word for _, _, word in pages[0])
        for text in invoice["carrier"], "Zahlbar binnen 14 Tagen. " * 4:
            self.assertIn(" ".join(text.split()), head)
        named = [(right, word) for _, right, word in said if re.fullmatch(r"Ä\d{3}|Außengebiete|Ü|Ende", word)]
        self.assertEqual(" ".join(word for _, word in named), " ".join(names))
        self.assertLess(max(right for right, _ in named), 296, "a name that reaches into the numbers")
        for left, right, word in said:
            self.assertTrue(49 < left < right < 546, f"{word} is beyond the margins")
        self.assertEqual([word for _, _, word in said].count(invoice["total"]), 2, "net and total")
        feet = [" ".join(word for _, _, word in page[i:i + 4]) for page in pages for i in range(len(page)) if page[i][2] == "page"]
        self.assertEqual(feet, [f"page {n + 1} of {len(pages)}" for n in range(len(pages))])

    def test_names_of_every_alphabet_can_be_read_on_paper(self):
        """Polish, Greek, Cyrillic, Vietnamese; what the font lacks is there to be copied, what is past U+FFFF shows that it was."""
        name = f"Telekomunikacja Śląska / Ελληνική Τηλεφωνία / Український Зв’язок {self.customer}"
        self.stack.api.patch(f"/v1/carriers/{self.customer}", name=name)
        places = ["Łódź – żółta", "Ελλάδα κινητά", "Россия, Москва", "Türkiye ışık", "Việt Nam", "中国 mobile"]
        self.put(*[("2026-05-10 10:00Z", place, 60, "0.5", "0.25") for place in [*places, "😀 far"]])
        invoice = self.create("2026-05-01", "2026-05-31", "--issue", "--tax", "ΦΠΑ=24", "--note", "płatne w ciągu 14 dni")
        path = os.path.join(self.stack.folder, "alphabets.pdf")
        self.stack.tandem("invoice", "write", str(invoice["id"]), "--file", path)
        said = said_by(path)
        for text in (name, *places, "\ufffd far", "ΦΠΑ 24 %", "płatne w ciągu 14 dni"):
            self.assertIn(text, said)
        fonts = subprocess.run(["pdffonts", path], check=True, capture_output=True, text=True).stdout.splitlines()[2:]
        self.assertEqual([line.split()[-5:-2] for line in fonts], [["yes", "yes", "yes"]] * 2, "embedded, only what is shown, to be searched")

    def test_a_pdf_is_the_same_byte_for_byte(self):
        self.put(("2026-05-10 10:00Z", "Łódź", 60, "0.5", "0.25"))
        invoice = self.create("2026-05-01", "2026-05-31", "--issue")
        api, read = self.stack.api, []
        for name in "once.pdf", "again.pdf":
            path = os.path.join(self.stack.folder, name)
            self.stack.tandem("invoice", "write", str(invoice["id"]), "--file", path)
            with open(path, "rb") as f:
                read.append(f.read())
        asked = urllib.request.Request(f"{api.base}/v1/invoices/{invoice['id']}/pdf", headers={"Authorization": f"Bearer {api.key}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            read.append(answer.read())
        self.assertEqual(len(set(read)), 1)

    def test_a_void_invoice_frees_its_calls_and_keeps_its_number(self):
        self.put(("2026-05-10 10:00Z", "UK", 60, "0.5", "0.25"))
        before = self.balance(self.customer)
        one = self.create("2026-05-01", "2026-05-31", "--issue", "--tax", "VAT=19")
        self.assertEqual(self.balance(self.customer), before - Decimal("0.095"))
        void = self.void(one)
        self.assertEqual((void["status"], void["number"], void["lines"]), ("void", one["number"], one["lines"]))
        self.assertEqual(self.balance(self.customer), before, "its tax is taken back")
        two = self.create("2026-05-01", "2026-05-31", "--issue")
        self.assertEqual(two["lines"], one["lines"])
        self.assertEqual(int(two["number"][3:]), int(one["number"][3:]) + 1)
        self.refused("void", str(one["id"]), says="there is no issued invoice")
        self.refused("issue", str(one["id"]), says="there is no draft")

    def test_taxes_are_rounded_once_and_booked(self):
        self.put(("2026-05-10 10:00Z", "UK", 60, "0.000025", "0.25"))
        one = self.create("2026-05-01", "2026-05-31", "--issue", "--tax", "VAT=19,Levy=2.5", "--note", "wire within 14 days")
        self.assertEqual([(t["name"], t["percent"], t["amount"]) for t in one["taxes"]], [("VAT", "19", "0.000005"), ("Levy", "2.5", "0.000001")])
        self.assertEqual((one["tax"], one["total"]), ("0.000006", "0.000031"))
        booked = [b for b in self.stack.api.items("/v1/ledger", carrier_id=self.customer) if b["kind"] == "tax"]
        self.assertEqual(sorted((b["amount"], b["note"]) for b in booked), [
            ("-0.000001", f"invoice {one['number']}: Levy 2.5 %"), ("-0.000005", f"invoice {one['number']}: VAT 19 %")])

    def test_a_vendors_statement_bills_what_we_owe(self):
        self.put(("2026-05-10 10:00Z", "UK", 60, "0.5", "0.25"))
        one = self.create(side="buy")
        self.assertEqual(self.lines(one), [("calls", "UK", 1, 60, Decimal("0.25"))])
        issued = self.issue(one)
        self.assertTrue(issued["number"].startswith("STM"))

    def test_corrections_are_lines_of_their_own(self):
        self.put(("2026-05-10 10:00Z", "UK", 60, "0.5", "0.25"))
        self.create("2026-05-01", "2026-05-31", "--issue")
        cdr = self.stack.postgres.psql(f"select id from cdrs where ingress_carrier_id = {self.customer}")
        self.stack.postgres.psql(f"select rerate_book({self.customer}, 'sell', 'story', array['{cdr}']::uuid[], array[0.5], array[0.4], array['44'], "
                                 "array[0.4], array[60]::bigint[])")
        today = datetime.date.today() + datetime.timedelta(days=2)
        later = self.create("2026-06-01", str(today))
        self.assertEqual(self.lines(later), [("corrections", "UK", 1, 0, Decimal("-0.1"))])

    def test_numbers_have_no_gaps_and_all_books_agree(self):
        """Many at once, some fail, some are taken back; then every digit of the ledger is on exactly one invoice."""
        for day in range(1, 29):
            self.put((f"2026-05-{day:02d} 10:00Z", "UK", 60, f"0.0000{day:02d}", "0.25"), (f"2026-05-{day:02d} 11:00Z", "Peru", 60, "0.5", f"0.0001{day:02d}"))

        def work(i):
            last = f"2026-05-{3 * (i % 9) + 1:02d}"
            done = self.stack.tandem("invoice", "create", "--carrier", str(self.customer), "--from", "2026-05-01", "--to", last, "--issue",
                                     "--json", check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            if i % 4 == 0:
                self.void(json.loads(done.stdout))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(12)))
        self.create("2026-05-01", "2026-05-31", "--issue")
        self.create("2026-05-01", "2026-05-31", "--issue", side="buy")
        ask = self.stack.postgres.psql
        for side, carrier, kind, sign in (("sell", self.customer, "charge", -1), ("buy", self.vendor, "cost", 1)):
            numbers = [int(n) for n in ask(f"select number from invoices where side = '{side}' and number is not null order by number").split()]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
            billed = Decimal(ask(f"select sum(net) from invoices where carrier_id = {carrier} and status = 'issued'"))
            booked = sign * Decimal(ask(f"select sum(amount) from ledger where carrier_id = {carrier} and kind = '{kind}'"))
            called = Decimal(ask(f"select sum({side}_amount) from cdrs where {'in' if side == 'sell' else 'e'}gress_carrier_id = {carrier}"))
            self.assertEqual((billed, booked), (called, called))

    def test_csv_and_pdf_say_the_same(self):
        self.put(("2026-05-10 10:00Z", "UK, \"mobile\" (London)", 60, "0.5", "0.25"), ("2026-05-10 10:00Z", "Łódź", 61, "0.25", "0.25"),
                 *[("2026-05-11 10:00Z", f"Destination {i:03d}", 60, "0.01", "0.005") for i in range(120)])
        one = self.create("2026-05-01", "2026-05-31", "--issue", "--tax", "VAT=19")
        path = os.path.join(self.stack.folder, "invoice")
        for end in (".csv", ".pdf"):
            self.stack.tandem("invoice", "write", str(one["id"]), "--file", path + end)
        with open(path + ".csv", newline="", encoding="utf-8") as f:
            rows = list(csv.reader(f))
        self.assertEqual(rows[0], ["kind", "destination", "calls", "seconds", "amount"])
        self.assertEqual(rows[1:-3], [[str(line[c]) for c in rows[0]] for line in one["lines"]])
        self.assertEqual([r[0] + " " + r[4] for r in rows[-3:]], ["net " + one["net"], "tax " + one["tax"], "total " + one["total"]])
        self.assertEqual(sum(Decimal(r[4]) for r in rows[1:-3]), Decimal(one["net"]))
        said, pages = said_by(path + ".pdf"), pages_of(path + ".pdf")
        for word in (f"Invoice {one['number']}", one["carrier"], "UK, \"mobile\" (London)", "Łódź", "Destination 119", f"VAT 19 % {one['tax']}",
                     f"Total EUR {one['total']}", "page 3 of 3"):
            self.assertIn(word, said)
        self.assertEqual(len(pages), 3)
        for word in (f"Invoice {one['number']}", one["carrier"], "Amount, EUR"):
            self.assertEqual(said.count(word), 3, f"{word} on each of the three pages")

    def test_a_spreadsheet_finds_numbers_and_no_formulas(self):
        self.put(("2026-05-10 10:00Z", '=HYPERLINK("x")', 60, "0.5", "0.25"), ("2026-05-10 10:00Z", "-2+3", 60, "-0.25", "0.25"),
                 ("2026-05-10 10:00Z", "@home", 60, "0.5", "0.25"), ("2026-05-10 10:00Z", "+44", 60, "0.5", "0.25"))
        one = self.create("2026-05-01", "2026-05-31", "--tax", "@VAT=19")
        path = os.path.join(self.stack.folder, "formulas.csv")
        self.stack.tandem("invoice", "write", str(one["id"]), "--file", path)
        with open(path, newline="", encoding="utf-8") as f:
            rows = {row[1]: row[4] for row in list(csv.reader(f))[1:]}
        self.assertEqual({name: rows[name] for name in rows if name not in ("", "EUR")},
                         {"+44": "0.500000", "'-2+3": "-0.250000", '\'=HYPERLINK("x")': "0.500000", "'@home": "0.500000", "'@VAT 19 %": "0.237500"})
        self.assertIn("=HYPERLINK", said_by(self.written(one, "formulas.pdf")), "paper runs nothing")

    def written(self, invoice, name):
        path = os.path.join(self.stack.folder, name)
        self.stack.tandem("invoice", "write", str(invoice["id"]), "--file", path)
        return path

    def test_lists_and_refusals(self):
        one = self.create()
        listed = json.loads(self.stack.tandem("invoice", "list", "--carrier", str(self.customer), "--json").stdout)
        self.assertEqual(listed, [one])
        self.assertIn("draft", self.stack.tandem("invoice", "list").stdout)
        self.assertIn("total", self.stack.tandem("invoice", "show", str(one["id"])).stdout)
        me = ["create", "--carrier", str(self.customer)]
        self.refused(*me, "--from", "2026-05-02", "--to", "2026-05-01", says="the last day is before the first")
        self.refused(*me, "--from", "May", "--to", "2026-05-01", says="a day is a date")
        self.refused("create", "--carrier", "4711", "--from", "2026-05-01", "--to", "2026-05-01", says="no carrier 4711")
        for tax in ("VAT", "VAT=x", "=19", "VAT=101", "VAT=-1", "VAT=0.00001"):
            self.refused(*me, "--from", "2026-05-01", "--to", "2026-05-01", "--tax", tax, status=2)
        self.refused("show", "4711", says="no invoice 4711")
        self.refused("write", str(one["id"]), "--file", "x.doc", status=2)
        self.refused("write", str(one["id"]), "--file", "/nowhere/x.pdf", says="/nowhere/x.pdf")


class NoFont(Story):
    """A machine without the font: the PDF is refused with a reason, all else goes on."""

    stack_options = {"nodes": 0, "settings": {"invoice": {"font": "/nowhere/Sans.ttf"}}}

    def test_a_pdf_without_its_font_is_refused_and_says_why(self):
        carrier = self.stack.carrier("Łódź Telekom", "EUR")["id"]
        made = self.stack.tandem("invoice", "create", "--carrier", str(carrier), "--from", "2026-05-01", "--to", "2026-05-31", "--json")
        invoice = str(json.loads(made.stdout)["id"])
        path = os.path.join(self.stack.folder, "none")
        done = self.stack.tandem("invoice", "write", invoice, "--file", path + ".pdf", check=False)
        self.assertEqual(done.returncode, 1)
        for word in "/nowhere/Sans.ttf", "No such file", "fonts-dejavu-core", "[invoice] font":
            self.assertIn(word, done.stderr)
        self.assertFalse(os.path.exists(path + ".pdf"))
        self.stack.tandem("invoice", "write", invoice, "--file", path + ".csv")
        self.assertEqual(self.stack.api.call("GET", f"/v1/invoices/{invoice}/pdf")[0], 500)
        self.assertIn("/nowhere/Sans.ttf", self.stack.apid.log())
        font = next(line for line in json.loads(self.stack.tandem("doctor", "--json", check=False).stdout) if line["check"] == "font")
        self.assertEqual((font["result"], font["detail"]), ("warning", "/nowhere/Sans.ttf: No such file or directory"))
        self.assertIn("fonts-dejavu-core", font["hint"])

    def test_a_file_that_is_no_font_is_named(self):
        config = os.path.join(self.stack.folder, "nofont.conf")
        with open(self.stack.config) as f, open(config, "w") as to:
            to.write(f.read().replace("/nowhere/Sans.ttf", self.stack.config))
        carrier = self.stack.carrier("Harbour", "EUR")["id"]
        made = self.stack.tandem("invoice", "create", "--carrier", str(carrier), "--from", "2026-05-01", "--to", "2026-05-31", "--json")
        done = self.stack.tandem("invoice", "write", str(json.loads(made.stdout)["id"]), "--file", config + ".pdf", config=config, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"the font {self.stack.config} is of no use here", done.stderr)
