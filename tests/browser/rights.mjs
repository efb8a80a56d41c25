// SPDX-License-Identifier: Apache-2.0
// rights.mjs - what other keys than an admin's see: their menu, no way to what they may not, and no way that leads nowhere.
import { unmarked } from "./looks.mjs";
import { must } from "./walk.mjs";

const EACH = /^(Dashboard|Live calls|CDRs|Statistics|Vendors|Alarms|Nodes|Carriers|Trunks|Rate decks|Routing plans|Number lists|Number lengths|Exchange rates|Route simulator|Payments|Adjustments|Ledger|Invoices|Invoice senders|Exports|Export options|Audit log)$/;
const CARRIERS = "CDRs,Carriers,Trunks,Rate decks,Payments,Adjustments,Ledger,Invoices,Exports";
const WRITES = /^(New |Change|Delete|Hang up|Import|See what would change|Issue|Void|Export now|Force|Book|Reverse)/;
const LOST = /There is no such thing here|Your key may not do this|This page can't be shown/;

export const rights = (walk) => {
	const make = async (name, role, carrier_id = null) => {
		const answer = await fetch(`${walk.base}/v1/api-keys`, { method: "POST", headers: { Authorization: `Bearer ${walk.key}`, "Content-Type": "application/json" }, body: JSON.stringify({ name, role, carrier_id }) });
		must(answer.status === 201, `a key of ${role}: ${answer.status}`);
		return (await answer.json()).key;
	};
	const menu = (tab) => tab.locator("nav a").allInnerTexts();
	const open = async (tab, path) => {
		await tab.goto(`${walk.base}/#/${path}`);
		await tab.waitForFunction((p) => document.getElementById("place")?.dataset.page === p, path);
	};
	/* Every address that leads on from the menu, one of each kind; see(path) on each. */
	const crawl = async (tab, see) => {
		const kind = (path) => path.split("?")[0].replace(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/g, "N");
		const left = await tab.locator("nav a").evaluateAll((links) => links.map((a) => a.getAttribute("href").slice(2)));
		const seen = new Set(left.map(kind));
		for (let path = left.shift(); path !== undefined; path = left.shift()) {
			await open(tab, path);
			must(!LOST.test(await tab.locator("h1").innerText()), `a link leads to ${path}, which says “${await tab.locator("#place").innerText()}”`);
			const wrong = await tab.evaluate(unmarked);
			must(!wrong.length, `${path}: ${wrong.join("; ")}`);
			await see(path);
			for (const next of await tab.locator("#place a[href^='#/']").evaluateAll((links) => links.map((a) => a.getAttribute("href").slice(2)))) {
				if (!seen.has(kind(next)))
					left.push(next);
				seen.add(kind(next));
			}
		}
		return seen;
	};
	return {
		async "who may only read is offered nothing else, on no page"() {
			const tab = await walk.signedIn(await make("night shift", "readonly"));
			const shown = await menu(tab);
			must(shown.length === 23 && shown.every((t) => EACH.test(t)), `the menu is ${shown}`);
			must((await tab.locator(".who").innerText()) === "night shift · readonly", "it does not say who is signed in");
			const seen = await crawl(tab, async (path) => {
				const offered = await tab.locator("#place").locator("button, a.button").allInnerTexts();
				must(!offered.some((t) => WRITES.test(t)), `${path} offers ${offered}`);
			});
			must(seen.has("cdrs/N") && seen.has("rate-decks/N/rates/N") && seen.has("invoices/N"), `it saw ${[...seen]}`);
			await open(tab, "carriers/new");
			await tab.getByRole("heading", { name: "Your key may not do this" }).waitFor();
			await open(tab, "api-keys");
			await tab.getByText("“night shift” is a key with the role readonly.").waitFor();
			await tab.close();
		},
		async "provisioning and finance are each offered their own"() {
			const [builder, payer] = [await walk.signedIn(await make("builder", "provisioning")), await walk.signedIn(await make("payer", "finance"))];
			for (const [tab, path, text, there] of [[builder, "carriers", "New carrier", true], [payer, "carriers", "New carrier", false], [builder, "payments", "New payment", false], [payer, "payments", "New payment", true], [builder, "adjustments", "New adjustment", false], [payer, "adjustments", "New adjustment", true], [builder, "ledger", "Reverse", false], [payer, "ledger", "Reverse", true],
				[builder, "exchange-rates", "New exchange rate", false], [payer, "exchange-rates", "New exchange rate", true], [builder, "invoice-senders", "New invoice sender", false], [payer, "invoice-senders", "New invoice sender", true], [builder, "exports", "Export now", false], [payer, "exports", "Export now", true]]) {
				await open(tab, path);
				must((await tab.getByText(text, { exact: true }).count() > 0) === there, `${tab === builder ? "provisioning" : "finance"} is ${there ? "not " : ""}offered ${text}`);
			}
			await builder.close();
			await payer.close();
		},
		async "a carrier's key sees the carrier's, and no link of it leads nowhere"() {
			const { id } = await walk.only("/v1/carriers?name=Harbour%20Telecom");
			const tab = await walk.signedIn(await make("harbour readers", "readonly", id));
			must((await menu(tab)).join() === CARRIERS, `it is offered ${await menu(tab)}`);
			const seen = await crawl(tab, async () => {});
			must(["cdrs/N", "carriers/N", "trunks/N", "rate-decks/N", "rate-decks/N/rates/N", "invoices/N", "exports/N"].every((p) => seen.has(p)), `it saw ${[...seen]}`);
			await open(tab, "cdrs");
			await walk.picture("carriers-own", false, tab);
			await tab.close();
		},
	};
};
