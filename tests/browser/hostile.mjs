// SPDX-License-Identifier: Apache-2.0
// hostile.mjs - what goes wrong in the middle: markup for names, very many rows, a key that is revoked, a server that is away,
// slow or forgets to answer, two tabs on one object, addresses that nobody made.
import { must } from "./walk.mjs";

const MARKUP = `<img src=x onerror="document.title='taken'"> & "O'Neil" {{7*7}}`;
const ROWS = 10000;

export const hostile = (walk) => {
	const { page } = walk;
	const api = async (method, path, body, type = "application/json") => {
		const answer = await fetch(walk.base + path, { method, headers: { Authorization: `Bearer ${walk.key}`, ...(body ? { "Content-Type": type } : {}) }, body: body && type === "application/json" ? JSON.stringify(body) : body });
		must(answer.ok, `${method} ${path}: ${answer.status} ${answer.ok ? "" : await answer.text()}`);
		return answer.status === 204 ? null : answer.json();
	};
	const deckOf = async (name) => api("POST", "/v1/rate-decks", { name, side: "buy", currency: "USD" });
	/* What a hundred vendors' switches would have: calls of all states, page after page. */
	const liveCalls = (at, n) => ({
		items: Array.from({ length: n }, (_, i) => ({ id: `0190b4a2-7b1c-7abc-8def-${String(at + i).padStart(12, "0")}`, node: "sw1", state: ["routing", "ringing", "answered"][i % 3], ingress_trunk_id: 3, egress_trunk_id: 1, ingress_carrier_id: 3,
			egress_carrier_id: 1, calling: "4930123456", called: `4420${String(at + i).padStart(8, "0")}`, destination: "United Kingdom", started_at: "2026-01-01T00:00:00.000Z", answered_at: null, cost_so_far: "0.000000", currency: "USD" })),
		next_cursor: at + n < ROWS ? String(at + n) : null,
	});
	return {
		async "markup in names is text everywhere"() {
			const carrier = await api("POST", "/v1/carriers", { name: MARKUP, currency: "USD" });
			const deck = await deckOf(`${MARKUP} deck`);
			const rate = await api("POST", `/v1/rate-decks/${deck.id}/rates`, { prefix: "44", price: "0.01", destination: MARKUP });
			const trunk = await api("POST", "/v1/trunks", { name: `${MARKUP} trunk`, carrier_id: carrier.id, direction: "egress", host: "192.0.2.9", rate_deck_id: deck.id });
			const list = await api("POST", "/v1/number-lists", { name: MARKUP, kind: "block", match: "called", entries: ["4499"], carrier_ids: [carrier.id] });
			for (const path of ["carriers", `carriers/${carrier.id}`, `carriers/${carrier.id}/change`, "trunks", `trunks/${trunk.id}`, `trunks/${trunk.id}/change`, `rate-decks/${deck.id}/rates/${rate.id}`, `number-lists/${list.id}`, "vendors", "audit",
				`trunks/change?carrier_id=${carrier.id}`, `cdrs?called=${encodeURIComponent(MARKUP)}`, "simulator", "statistics?destination=" + encodeURIComponent(MARKUP)]) {
				await walk.refused(async () => {
					await page.goto(`${walk.base}/#/${path}`);
					await walk.settled();
				});
				must((await page.locator("img[src=x]").count()) === 0, `${path} has made an image of a name`);
				must(!(await page.title()).startsWith("taken"), `${path} has run a name`);
			}
			await walk.visit(`carriers/${carrier.id}`, MARKUP);
			await walk.press("Delete");
			await page.getByRole("dialog").getByText(MARKUP).waitFor();
			await page.keyboard.press("Escape");
			for (const path of [`/v1/number-lists/${list.id}`, `/v1/trunks/${trunk.id}`, `/v1/rate-decks/${deck.id}`, `/v1/carriers/${carrier.id}`])
				await api("DELETE", path);
		},
		async "ten thousand rows are paged, ten thousand calls drawn in part"() {
			const deck = await deckOf("Ten thousand");
			const sheet = "prefix,price\n" + Array.from({ length: ROWS }, (_, i) => `9${String(i).padStart(5, "0")},0.01\n`).join("");
			const job = await api("POST", `/v1/rate-decks/${deck.id}/imports`, sheet, "text/csv");
			for (let now = job; now.status !== "done"; now = await walk.api(`/v1/imports/${job.id}`))
				must(now.status !== "failed", "the import failed");
			await walk.visit(`rate-decks/${deck.id}/rates`, "Rates of Ten thousand");
			await walk.press("Show 50 more");
			await walk.sees("The first 100");
			must((await walk.rows("Rates").count()) === 100, "another number of rows");
			await page.route(/\/v1\/calls\?/, (r) => r.fulfill({ json: liveCalls(Number(new URL(r.request().url()).searchParams.get("cursor") ?? 0), 1000) }));
			const begin = Date.now();
			await walk.visit("calls", "Live calls");
			await walk.sees("10,000 of 10,000 calls");
			const took = Date.now() - begin;
			must(took < 20000, `it took ${took} ms`);
			must((await walk.rows("Live calls").count()) === 500, "another number of calls is drawn");
			await page.getByLabel("Number, destination or name").fill("442000009999");
			await page.keyboard.press("Enter");
			await walk.sees("1 of 10,000 calls");
			await walk.visit("carriers", "Carriers");
			await page.unroute(/\/v1\/calls\?/);
			await api("DELETE", `/v1/rate-decks/${deck.id}`);
		},
		async "a key that is revoked while a form is filled in costs nothing that was typed"() {
			const { key, id } = await api("POST", "/v1/api-keys", { name: "leaves soon", role: "admin" });
			const tab = await walk.signedIn(key);
			await tab.goto(`${walk.base}/#/carriers/new`);
			await tab.locator("#field-name").fill("Kept Telecom");
			await tab.locator("#field-currency").fill("EUR");
			await api("DELETE", `/v1/api-keys/${id}`);
			await walk.refused(async () => {
				await tab.getByRole("button", { name: "Create" }).click();
				const again = tab.getByRole("dialog", { name: "Your key is no longer good" });
				await again.waitFor();
				await walk.picture("key-again", false, tab);
				await again.getByLabel("API key").fill("wrong");
				await tab.keyboard.press("Enter");
				await again.getByText("This key is not known here.").waitFor();
				await again.getByLabel("API key").fill(walk.key);
				await tab.keyboard.press("Enter");
				await again.waitFor({ state: "detached" });
			});
			must((await tab.locator(".who").innerText()) === "story · admin", "it names the old key");
			must((await tab.locator("#field-name").inputValue()) === "Kept Telecom", "what was typed is gone");
			await tab.getByRole("button", { name: "Create" }).click();
			await tab.getByRole("heading", { level: 1, name: "Kept Telecom" }).waitFor();
			await tab.close();
			await api("DELETE", `/v1/carriers/${(await walk.only("/v1/carriers?name=Kept%20Telecom")).id}`);
		},
		async "an answer that is lost, and a second press, book a payment once"() {
			const { id } = await walk.only("/v1/carriers?name=Harbour%20Telecom");
			await walk.visit(`payments/new?carrier_id=${id}`, "New payment");
			await walk.fill({ amount: "7.77", note: "lost answer" });
			let calls = 0;
			await page.route("**/v1/payments", async (r) => {
				calls++;
				await r.fetch(); // it is booked, and nobody is told
				await r.abort();
			});
			await walk.refused(async () => {
				await walk.press("Book it");
				await walk.sees("The server does not answer.");
			});
			must((await walk.field("amount").inputValue()) === "7.77", "what was typed is gone");
			await page.unroute("**/v1/payments");
			await page.getByRole("button", { name: "Book it" }).dblclick();
			await walk.heading("Payments");
			must(calls === 1 && (await walk.api(`/v1/payments?carrier_id=${id}`)).items.filter((p) => p.note === "lost answer").length === 1, "it is booked more than once");
		},
		async "two tabs on one trunk: each sees the other's change, and both can be kept"() {
			const { id } = await walk.only("/v1/trunks?name=Frankfurt");
			await walk.visit(`trunks/${id}/change`, "Change Frankfurt");
			const other = await walk.signedIn(walk.key);
			await other.goto(`${walk.base}/#/trunks/${id}/change`);
			await other.locator("#field-max_channels").fill("55");
			await other.getByRole("button", { name: "Save" }).click();
			await other.getByRole("heading", { level: 1, name: "Frankfurt", exact: true }).waitFor();
			await other.close();
			await walk.refused(async () => {
				await walk.fill({ ring_timeout: "41" });
				await walk.press("Save");
				await page.getByRole("heading", { name: "What the other one changed" }).waitFor();
			});
			must((await page.getByText("You change it, too").count()) === 0, "the two do not change the same");
			await walk.press("Save mine as well");
			await walk.heading("Frankfurt");
			const trunk = await walk.api(`/v1/trunks/${id}`);
			must(trunk.max_channels === 55 && trunk.ring_timeout === 41, `${trunk.max_channels} and ${trunk.ring_timeout}`);
			await page.goBack();
			await walk.settled();
			must(!page.url().endsWith("/change"), "Back leads into the form again");
		},
		async "theme and zone leave a form as it is"() {
			await walk.visit("exchange-rates/new", "New exchange rate");
			await walk.fill({ from: "GBP", effective_from: "2026-03-01T12:00:05" });
			await walk.press("Theme");
			await page.locator(".top button", { hasText: "UTC" }).click();
			await page.locator(".top button", { hasText: "UTC" }).click();
			await walk.press("Theme");
			must((await walk.field("from").inputValue()) === "GBP" && (await walk.field("effective_from").inputValue()) === "2026-03-01T12:00:05", "the form is another");
		},
		async "a slow answer says so, and never comes over a later page"() {
			await walk.visit("carriers", "Carriers");
			await page.route("**/v1/trunks?*", async (r) => {
				await new Promise((done) => setTimeout(done, 1500));
				await r.continue().catch(() => {}); // given up meanwhile
			});
			await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Trunks" }).click();
			await page.getByRole("status").filter({ hasText: "Loading…" }).waitFor();
			await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "API keys" }).click();
			await walk.heading("API keys");
			await page.waitForTimeout(1800); // until the slow one would have come
			await walk.heading("API keys");
			await page.unroute("**/v1/trunks?*");
		},
		async "addresses that nobody made are refused in words"() {
			await walk.refused(async () => {
				for (const path of ["%E0%A4%A", "cdrs/zzz", "trunks/1e9", "carriers/..%2F..%2Fv1", "rate-decks/999999/rates/1", "rate-decks/1/nothing", "trunks?limit=-1", "cdrs?from=yesterday", "statistics?group_by=moon", "<script>alert(1)</script>"]) {
					await page.goto(`${walk.base}/#/${path}`);
					await page.locator("h1").waitFor();
					await page.waitForFunction(() => !document.getElementById("place").hasAttribute("aria-busy"));
					must((await page.locator("h1").count()) === 1 && (await page.getByRole("navigation", { name: "Pages" }).isVisible()), `${path} breaks the page`);
				}
			});
		},
	};
};
