// SPDX-License-Identifier: Apache-2.0
// settings.mjs - the steps of who configures and settles: carriers, trunks, plans, decks, rates, sheets, lists, exchange rates,
// payments, invoices, exports, keys, audit. What a form saved is read back from the API.
import { isDeepStrictEqual } from "node:util";
import { must } from "./walk.mjs";

export const settings = (walk, { sheet }) => {
	const { page } = walk;
	const created = (title) => walk.press("Create").then(() => walk.heading(title));
	const gone = async (title) => {
		await walk.press("Delete");
		await walk.confirm("Delete");
		await walk.heading(title);
	};
	const has = (object, values) => {
		for (const [name, value] of Object.entries(values))
			must(isDeepStrictEqual(object[name], value), `${name} is ${JSON.stringify(object[name])}, not ${JSON.stringify(value)}`);
	};
	return {
		async "a carrier is made, changed and deleted, and a bad field is named"() {
			await walk.visit("carriers/new", "New carrier");
			await walk.fill({ name: "Delta Networks", currency: "XX" });
			await walk.refused(async () => {
				await walk.press("Create");
				await page.locator("#field-currency-fault").filter({ hasText: /./ }).waitFor();
			});
			must(await walk.field("currency").evaluate((e) => e === document.activeElement && e.getAttribute("aria-invalid") === "true"), "the wrong field has not the focus");
			await walk.picture("carrier-new");
			await walk.fill({ currency: "USD", billing_mode: { label: "prepaid" }, low_balance: "12.5", timezone: "Europe/Berlin" });
			await created("Delta Networks");
			has(await walk.only("/v1/carriers?name=Delta%20Networks"), { currency: "USD", billing_mode: "prepaid", low_balance: "12.500000", timezone: "Europe/Berlin", max_channels: null });
			await walk.press("Change", "link");
			await walk.heading("Change Delta Networks");
			await walk.fill({ max_channels: "30" });
			await walk.press("Save");
			await walk.heading("Delta Networks");
			has(await walk.only("/v1/carriers?name=Delta%20Networks"), { max_channels: 30, version: 2 });
			await gone("Carriers");
			must((await page.getByRole("link", { name: "Delta Networks" }).count()) === 0, "the carrier is still there");
			await walk.picture("carriers");
			await page.getByRole("link", { name: "Harbour Telecom" }).click();
			await walk.heading("Harbour Telecom");
			await walk.picture("carrier");
		},
		async "a change that somebody else made meanwhile is not overwritten"() {
			const { id } = await walk.only("/v1/carriers?name=Cirrus%20Voice");
			await walk.visit(`carriers/${id}/change`, "Change Cirrus Voice");
			await fetch(`${walk.base}/v1/carriers/${id}`, { method: "PATCH", headers: { Authorization: `Bearer ${walk.key}`, "Content-Type": "application/json" }, body: '{"max_cps": 7}' });
			await walk.refused(async () => {
				await walk.fill({ max_cps: "9", max_channels: "90" });
				await walk.press("Save");
				await page.getByRole("heading", { name: "What the other one changed" }).waitFor();
			});
			await walk.sees("You change it, too: yours would replace theirs.");
			must(/Calls a second at most\s+7 was –/.test(await page.locator("form .panel").innerText()), `it says ${await page.locator("form .panel").innerText()}`);
			must((await page.evaluate(() => document.activeElement.textContent)) === "Save mine as well", "the focus is elsewhere");
			has(await walk.api(`/v1/carriers/${id}`), { max_cps: 7, max_channels: null });
			await walk.picture("carrier-changed-meanwhile");
			await page.keyboard.press("Enter");
			await walk.heading("Cirrus Voice");
			has(await walk.api(`/v1/carriers/${id}`), { max_cps: 9, max_channels: 90 });
		},
		async "every field of a vendor's trunk is in its form"() {
			await walk.visit("trunks/new?direction=egress", "New egress trunk");
			await walk.fill({ carrier_id: { label: "Cirrus Voice" }, name: "Frankfurt", host: "192.0.2.40", port: "5070", transport: { label: "tcp" }, username: "us", password: "secret", register: true, session_expires: "1800",
				tech_prefix: "77", no_response_timeout: "3", progress_timeout: "9", ring_timeout: "50", stop_codes: "486\n603", max_redirects: "1", probe_interval: "30", max_channels: "100", max_cps: "10", max_duration: "7200",
				media: { label: "relay" }, codecs: "PCMA\nG722", rate_deck_id: { label: "Cirrus Voice buy" } });
			await walk.press("Add a translation");
			await page.getByRole("group", { name: "translation 1" }).getByLabel("Match").fill("^00(.*)$");
			await page.getByRole("group", { name: "translation 1" }).getByLabel("Replace").fill("$1");
			await walk.picture("trunk-new");
			await created("Frankfurt");
			const made = await walk.only("/v1/trunks?name=Frankfurt");
			has(made, { host: "192.0.2.40", port: 5070, transport: "tcp", username: "us", register: true, session_expires: 1800, tech_prefix: "77", no_response_timeout: 3, progress_timeout: 9, ring_timeout: 50,
				stop_codes: [486, 603], max_redirects: 1, probe_interval: 30, max_channels: 100, max_cps: 10, max_duration: 7200, media: "relay", codecs: ["PCMA", "G722"],
				translations: [{ number: "called", match: "^00(.*)$", replace: "$1" }] });
			await walk.visit("trunks", "Trunks");
			await walk.picture("trunks");
			await walk.visit(`trunks/${made.id}`, "Frankfurt");
			await walk.picture("trunk");
		},
		async "every field of a customer's trunk is in its form"() {
			await walk.visit("trunks/new?direction=ingress", "New ingress trunk");
			await walk.fill({ carrier_id: { label: "Harbour Telecom" }, name: "Second site", source_cidrs: "192.0.2.0/28\n2001:db8::/64", trust_pai: true, hunt_after_media: false, min_margin: "0.001", min_margin_percent: "5",
				allow_loss: { label: "no" }, code_map: "503 = 480\n404 = 502", mode: { label: "b2bua" }, routing_plan_id: { label: "Harbour Telecom plan" }, rate_deck_id: { label: "Harbour Telecom sell" } });
			await created("Second site");
			has(await walk.only("/v1/trunks?name=Second%20site"), { source_cidrs: ["192.0.2.0/28", "2001:db8::/64"], trust_pai: true, hunt_after_media: false, min_margin: "0.001000", min_margin_percent: "5.000000", allow_loss: false,
				code_map: { 404: 502, 503: 480 }, mode: "b2bua" });
			await gone("Trunks");
		},
		async "a plan gets members in an order, one with prefixes"() {
			await walk.visit("routing-plans/new", "New plan");
			await walk.fill({ name: "Premium", policy: { label: "priority" } });
			const member = (n) => page.getByRole("group", { name: `member ${n}`, exact: true });
			for (const [n, trunk] of [[1, "Atlas Carrier"], [2, "Borea Transit"]]) {
				await walk.press("Add a member");
				await member(n).getByLabel("Trunk").selectOption({ label: trunk });
				await member(n).getByLabel("Priority").fill(String(n));
			}
			await member(2).getByLabel("Prefixes").fill("44, 49");
			await member(2).getByRole("button", { name: "Move member up" }).press("Enter");
			await created("Premium");
			const { members } = await walk.only("/v1/routing-plans?name=Premium");
			must(members.length === 2 && members[0].priority === 2 && members[0].prefixes.join() === "44,49" && members[1].priority === 1, JSON.stringify(members));
			await walk.picture("plan");
			await walk.press("Change", "link");
			await walk.heading("Change Premium");
			await walk.picture("plan-change");
			await member(1).getByRole("button", { name: "Remove member" }).click();
			await walk.press("Save");
			await walk.heading("Premium");
			must((await walk.only("/v1/routing-plans?name=Premium")).members.length === 1, "the member is still there");
			await walk.visit("routing-plans", "Routing plans");
			await walk.picture("plans");
		},
		async "a deck and its rates are made, changed and ended by hand"() {
			await walk.visit("rate-decks/new", "New deck");
			await walk.fill({ name: "Evening", side: { label: "sell" }, currency: "EUR", default_initial: "60", default_increment: "60" });
			await page.locator("#field-rounding").getByLabel("Places").fill("4");
			await created("Evening");
			const deck = await walk.only("/v1/rate-decks?name=Evening");
			has(deck, { default_initial: 60, rounding: { mode: "half_up", places: 4 } });
			await page.getByRole("link", { name: "New rate" }).first().click();
			await walk.heading("New rate");
			await walk.fill({ prefix: "43", destination: "Austria", price: "0.0212345", grace: "3", effective_from: "2026-01-01T00:00" });
			await walk.press("Add a schedule");
			const times = page.getByRole("group", { name: "schedule 1" });
			await times.getByLabel("From").fill("18:00");
			await times.getByLabel("To", { exact: true }).fill("24:00");
			await walk.picture("rate-new");
			await created("43 Austria");
			const rate = await walk.only(`/v1/rate-decks/${deck.id}/rates`);
			has(rate, { price: "0.0212345", grace: 3, effective_from: "2026-01-01T00:00:00.000Z" });
			has(rate.schedule[0], { days: [1, 2, 3, 4, 5], from: "18:00", to: "24:00" });
			await walk.press("Change", "link");
			await walk.heading("Change the rate of 43");
			await walk.fill({ price: "0.02" });
			await walk.press("Save");
			await walk.heading("43 Austria");
			await gone("Rates of Evening");
			await walk.visit("rate-decks", "Rate decks");
			await walk.picture("decks");
		},
		async "a rate sheet is compared row by row, then imported"() {
			await page.getByRole("link", { name: "Atlas Carrier buy" }).click();
			await walk.heading("Atlas Carrier buy");
			const { id } = await walk.only("/v1/rate-decks?name=Atlas%20Carrier%20buy");
			await page.getByLabel("CSV file").setInputFiles(sheet);
			await page.getByLabel("It is the whole sheet").check();
			await walk.press("See what would change");
			await walk.heading("Nothing is changed yet");
			await walk.sees("5 in all");
			const told = (await walk.rows("What changes").allInnerTexts()).map((t) => t.replace(/\s+/g, " "));
			for (const expected of [/^1212 USA New York ended 0.0031 USD –/, /^33 France down 0.009 USD 0.0082 USD −8.9 %/, /^34 Spain new – 0.0125 USD/, /^44 United Kingdom up 0.0085 USD 0.011 USD \+29.4 %/, /^49 Germany unchanged 0.0102/])
				must(told.some((t) => expected.test(t)), `none of ${told.join(" | ")} is ${expected}`);
			await walk.picture("deck-import");
			await page.locator("[name=kind]").selectOption({ label: "up" });
			await walk.press("Search");
			await page.waitForURL(/kind=up/);
			await walk.settled();
			await walk.sees("1 in all");
			must((await walk.api(`/v1/rate-decks/${id}/rates?prefix=44`)).items[0].price === "0.008500", "the trial has changed the deck");
			await walk.press("Import this");
			await walk.heading("Imported");
			must((await walk.api(`/v1/rate-decks/${id}/rates?prefix=44`)).items.some((r) => r.price === "0.011000"), "the sheet was not imported");
			const job = page.url().split("/").at(-1);
			await walk.visit(`rate-decks/${id}`, "Atlas Carrier buy");
			must((await walk.rows("Versions").count()) === 1 && (await walk.rows("Versions").innerText()).includes(`import ${job}`), "the import is no version of the deck");
			await walk.visit(`rate-decks/${id}/rates?number=442079460123`, "Rates of Atlas Carrier buy");
			await walk.rows("Rates").filter({ hasText: "United Kingdom" }).first().waitFor();
			await walk.picture("rates");
		},
		async "a deck goes back to an earlier version, after its diff was seen"() {
			const { id } = await walk.only("/v1/rate-decks?name=Atlas%20Carrier%20buy");
			const inForce = async (prefix) => (await walk.api(`/v1/rate-decks/${id}/rates?prefix=${prefix}&at=${new Date().toISOString()}`)).items.map((r) => r.price);
			const answer = await fetch(`${walk.base}/v1/rate-decks/${id}/imports`, { method: "POST", headers: { Authorization: `Bearer ${walk.key}`, "Content-Type": "text/csv" }, body: "prefix,destination,price\n44,United Kingdom,0.9\n39,Italy,0.02\n" });
			const { id: job } = await answer.json();
			while ((await walk.api(`/v1/imports/${job}`)).status !== "done");
			must((await inForce("44")).join() === "0.900000", "the wrong sheet is not in force");
			await walk.visit(`rate-decks/${id}`, "Atlas Carrier buy");
			must((await page.getByRole("button", { name: "See the way back" }).count()) === 1, "only an earlier version can be gone back to");
			await walk.press("See the way back");
			await walk.heading("Nothing is changed yet");
			const told = (await walk.rows("What changes").allInnerTexts()).map((t) => t.replace(/\s+/g, " "));
			for (const expected of [/^44 United Kingdom down 0.90? USD 0.011 USD −98.8 %/, /^39 Italy ended 0.02 USD –/])
				must(told.some((t) => expected.test(t)), `none of ${told.join(" | ")} is ${expected}`);
			must((await inForce("44")).join() === "0.900000", "the trial has changed the deck");
			await walk.picture("deck-rollback");
			await page.getByRole("button", { name: /^Bring back version \d+$/ }).click();
			await walk.heading("Brought back");
			must((await inForce("44")).join() === "0.011000" && !(await inForce("39")).length, "the earlier rates are not in force");
			await walk.visit(`rate-decks/${id}`, "Atlas Carrier buy");
			must(/brought back version \d+/.test(await walk.rows("Versions").first().innerText()), "the roll-back is no version");
			await walk.picture("deck");
		},
		async "number lists, number lengths and exchange rates are kept"() {
			await walk.visit("number-lists/new", "New number list");
			await walk.fill({ name: "Premium numbers", kind: { label: "block" }, match: { label: "called" }, entries: "4487\n4490\n4987" });
			await page.locator("#field-carrier_ids").getByLabel("Harbour Telecom").check();
			await created("Premium numbers");
			has(await walk.only("/v1/number-lists?name=Premium%20numbers"), { entries: ["4487", "4490", "4987"], kind: "block", trunk_ids: [] });
			await walk.picture("number-list");
			await walk.visit("number-lists", "Number lists");
			await walk.picture("number-lists");
			await walk.visit("number-lengths/new", "New number length");
			await walk.fill({ prefix: "4989", min_length: "8", max_length: "13", note: "Munich" });
			await created("4989");
			has(await walk.only("/v1/number-lengths?prefix=4989"), { min_length: 8, max_length: 13, note: "Munich" });
			await walk.picture("number-length");
			await walk.visit("number-lengths", "Number lengths");
			await walk.sees("Munich");
			await walk.picture("number-lengths");
			await walk.visit("exchange-rates/new", "New exchange rate");
			await walk.fill({ from: "EUR", to: "USD", rate: "1.084512345678" });
			await created("Exchange rates");
			await walk.sees("1.084512345678");
			await walk.picture("exchange-rates");
		},
		async "a payment is booked and stands in the ledger"() {
			const { id } = await walk.only("/v1/carriers?name=Harbour%20Telecom");
			await walk.visit(`payments/new?carrier_id=${id}`, "New payment");
			await walk.fill({ amount: "250", note: "wire 8812" });
			await walk.press("Book it");
			await walk.heading("Payments");
			await walk.sees("wire 8812");
			await walk.picture("payments");
			await walk.visit(`ledger?carrier_id=${id}`, "Ledger");
			await walk.rows("Bookings").filter({ hasText: "wire 8812" }).waitFor();
			await walk.picture("ledger");
		},
		async "an adjustment is booked from the carrier's page, and reversed there"() {
			const { id, balance } = await walk.only("/v1/carriers?name=Harbour%20Telecom");
			const changed = async () => (Number((await walk.api(`/v1/carriers/${id}`)).balance) - Number(balance)).toFixed(6);
			await walk.visit(`carriers/${id}`, "Harbour Telecom");
			await walk.press("New adjustment", "link");
			await walk.heading("New adjustment");
			await walk.refused(async () => {
				await walk.fill({ amount: "2.50" });
				await walk.press("Book it");
				await page.locator("#field-note-fault").filter({ hasText: /./ }).waitFor();
			});
			await walk.fill({ note: "goodwill for 1 May" });
			await walk.press("Book it");
			await walk.heading("Adjustments");
			has(await walk.only("/v1/adjustments"), { carrier_id: id, amount: "2.500000", note: "goodwill for 1 May", reversed_by: null });
			must((await changed()) === "2.500000", `the balance has changed by ${await changed()}`);
			await walk.visit(`carriers/${id}`, "Harbour Telecom");
			const booked = walk.rows("Latest bookings").filter({ hasText: "goodwill for 1 May" });
			await booked.getByRole("button", { name: "Reverse" }).click();
			await page.getByRole("dialog").getByText("The opposite, −2.50").waitFor();
			await walk.picture("reverse", false);
			await walk.press("Cancel");
			must((await walk.api("/v1/adjustments")).items.length === 1, "it was reversed without a yes");
			await booked.getByRole("button", { name: "Reverse" }).click();
			await walk.confirm("Reverse");
			await booked.getByText(/reversed by \d+/).waitFor();
			must((await booked.count()) === 2 && (await booked.getByRole("button").count()) === 0, "a reversal, or what is reversed, is offered to be reversed");
			must((await changed()) === "0.000000", `the balance has changed by ${await changed()}`);
			await walk.visit("adjustments", "Adjustments");
			await walk.sees("reversed by");
			await walk.picture("adjustments");
			await walk.visit(`ledger?carrier_id=${id}&kind=payment`, "Ledger");
			await walk.rows("Bookings").filter({ hasText: "wire 8812" }).getByRole("button", { name: "Reverse" }).waitFor();
		},
		async "who sends invoices is said, replaced from a day on, and taken back"() {
			await walk.visit("invoice-senders", "Invoice senders");
			await walk.sees("No sender yet");
			await walk.visit("invoice-senders/new", "New invoice sender");
			await walk.refused(async () => {
				await walk.press("Create");
				await page.locator("#field-name-fault").filter({ hasText: /./ }).waitFor();
			});
			await walk.fill({ name: "Größte Überland-Telefon GmbH", address: "Straße der Ströme 1\n12345 Köln", tax_id: "DE123456789" });
			await created("Invoice senders");
			has(await walk.only("/v1/invoice-senders"), { name: "Größte Überland-Telefon GmbH", address: ["Straße der Ströme 1", "12345 Köln"], tax_id: "DE123456789" });
			for (const [name, from] of [["Telefon & Söhne GmbH", "2098-01-01T00:00"], ["Mistaken", "2099-01-01T00:00"]]) {
				await walk.visit("invoice-senders/new", "New invoice sender");
				await walk.fill({ name, effective_from: from });
				await created("Invoice senders");
			}
			await page.getByRole("link", { name: "Mistaken" }).click();
			await walk.heading("Mistaken");
			must((await page.getByRole("link", { name: "Change", exact: true }).count()) === 0, "a sender can be changed");
			await gone("Invoice senders");
			must((await walk.rows("Invoice senders").count()) === 2, "the deleted sender is still there");
			await walk.picture("invoice-senders");
		},
		async "an invoice is drafted and issued, an export run, each with its files"() {
			await walk.visit("invoices/new", "New invoice");
			const day = new Date().toISOString().slice(0, 10);
			await walk.fill({ carrier_id: { label: "Harbour Telecom" }, from: day, to: day });
			await walk.press("Draft it");
			await page.getByRole("heading", { name: "Lines" }).waitFor();
			await walk.sees("Größte Überland-Telefon GmbH, Straße der Ströme 1, 12345 Köln, DE123456789");
			await walk.press("Issue");
			await walk.confirm("Issue");
			await page.getByRole("button", { name: "Void" }).waitFor();
			await walk.picture("invoice");
			const [pdf] = await Promise.all([page.waitForEvent("download"), walk.press("PDF")]);
			must(/\.pdf$/.test(pdf.suggestedFilename()), pdf.suggestedFilename());
			await walk.visit("invoices", "Invoices");
			await walk.picture("invoices");
			await walk.visit("exports", "Exports");
			await walk.press("Export now");
			await walk.heading(/^Export \d/);
			const [manifest] = await Promise.all([page.waitForEvent("download"), walk.press("manifest.json")]);
			must(manifest.suggestedFilename() === "manifest.json", manifest.suggestedFilename());
			await walk.visit("exports/1", "Export 1");
			await walk.picture("export");
			await walk.visit("exports", "Exports");
			await walk.picture("exports");
		},
		async "a partner's export files get a format, columns and a place to go to"() {
			await walk.visit("export-options/new", "New export option");
			await walk.fill({ carrier_id: { label: "Harbour Telecom" }, side: { label: "sell" }, format: { label: "jsonl" }, columns: "id\nstarted_at\nnonsense", deliver: "sftp://harbour@files.example.net/in" });
			await walk.refused(async () => {
				await walk.press("Create");
				await page.locator("#field-columns-fault").filter({ hasText: /./ }).waitFor();
			});
			must((await walk.field("deliver").inputValue()) === "sftp://harbour@files.example.net/in", "the refusal has taken what was typed");
			await walk.fill({ columns: "id\nstarted_at\ncalled_in\nsell_amount" });
			await created("Harbour Telecom, as a customer");
			has(await walk.only("/v1/export-options"), { side: "sell", format: "jsonl", columns: ["id", "started_at", "called_in", "sell_amount"], deliver: "sftp://harbour@files.example.net/in" });
			await walk.press("Change", "link");
			await walk.heading("Change Harbour Telecom, as a customer");
			await walk.fill({ deliver: "" });
			await walk.press("Save");
			await walk.heading("Harbour Telecom, as a customer");
			has(await walk.only("/v1/export-options"), { deliver: null });
			await walk.picture("export-option");
			await walk.visit("export-options", "Export options");
			await walk.picture("export-options");
		},
		async "a key is shown once"() {
			await walk.visit("api-keys/new", "New key");
			await walk.fill({ name: "harbour-portal", role: { label: "readonly" }, carrier_id: { label: "Harbour Telecom" } });
			await walk.press("Create");
			const key = await page.getByRole("dialog").locator(".secret .mono").innerText();
			await walk.picture("key-new", false);
			await walk.press("I have it");
			await walk.heading("API keys");
			must(!(await page.content()).includes(key), "the key is still to be seen");
			await walk.picture("api-keys");
		},
		async "the audit log has who did what, and leads there"() {
			await walk.visit("audit?resource=routing-plans", "Audit log");
			const row = walk.rows("Changes").filter({ hasText: "update" }).first();
			await row.locator("summary").click();
			const change = row.locator(".changes tr", { hasText: "Members" });
			must(/"priority": ?2/.test(await change.locator("del").innerText()) && (await change.locator("ins").innerText()) === "–", `it says ${await change.innerText()}`);
			await walk.picture("audit-change", false);
			await walk.visit("audit", "Audit log");
			await walk.picture("audit", false);
		},
	};
};
