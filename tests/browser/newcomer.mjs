// SPDX-License-Identifier: Apache-2.0
// newcomer.mjs - from an empty system to the first bill with nothing but the console: node newcomer.mjs URL KEY PICTURES FOLDER
// CUSTOMER VENDOR, both host:port. Says "place the call" when it wants one, and "it ends" when it has hung up.
import { writeFileSync } from "node:fs";
import { Walk, must } from "./walk.mjs";

const [base, key, pictures, folder, customer, vendor] = process.argv.slice(2);
const walk = await Walk.begin(base, key, pictures);
const { page } = walk;
const CALLED = "442079460123";

const next = async (text) => {
	await page.getByRole("link", { name: "tandem", exact: true }).click();
	await walk.heading("Dashboard");
	const steps = page.getByRole("heading", { name: "To the first call" }).locator("..");
	await steps.getByRole("link", { name: text, exact: true }).click();
};
const carrier = async (name) => {
	await walk.fill({ name, currency: "USD" });
	await walk.press("Create");
	await walk.heading(name);
};
const sheet = async (name, text) => {
	const file = `${folder}/${name}.csv`;
	writeFileSync(file, text);
	await page.getByLabel("CSV file").setInputFiles(file);
	await walk.press("See what would change");
	await walk.heading("Nothing is changed yet");
	await walk.press("Import this");
	await walk.heading("Imported");
};

const steps = {
	async "an empty system says what comes first"() {
		await page.goto(base + "/");
		await page.getByLabel("API key").fill(key);
		await page.keyboard.press("Enter");
		await walk.heading("Dashboard");
		await walk.sees("To the first call");
		await walk.settled();
		await page.locator(".alarms, .calm:not(.unread)").first().waitFor();
		await walk.picture("dashboard-empty");
	},
	async "two carriers"() {
		await next("A carrier for the customer and one for each vendor");
		await walk.heading("New carrier");
		await carrier("Northwind");
		await next("A carrier for the customer and one for each vendor");
		await walk.heading("New carrier");
		await carrier("Atlas");
	},
	async "a sell deck and a buy deck, each from a sheet"() {
		await next("A sell deck with rates");
		await walk.heading("New deck");
		must((await walk.field("side").inputValue()) === "sell" && (await walk.field("currency").inputValue()) === "USD", "side and currency are not proposed");
		await walk.fill({ name: "Northwind sell" });
		await walk.press("Create");
		await walk.heading("Northwind sell");
		await sheet("sell", "prefix;destination;price\n44;United Kingdom;0.0120\n49;Germany;0.0150\n");
		await next("A buy deck for each vendor");
		must((await walk.field("side").inputValue()) === "buy", "the side is not chosen yet");
		await walk.fill({ name: "Atlas buy" });
		await walk.press("Create");
		await walk.heading("Atlas buy");
		await sheet("buy", "code,destination,rate\n44,United Kingdom,0.0085\n");
	},
	async "a vendor's trunk, a plan, a customer's trunk"() {
		await next("An egress trunk for each vendor");
		await walk.heading("New egress trunk");
		await walk.fill({ carrier_id: { label: "Atlas" }, name: "Atlas London", host: vendor.split(":")[0], port: vendor.split(":")[1], transport: { label: "udp" }, rate_deck_id: { label: "Atlas buy" } });
		await walk.press("Create");
		await walk.heading("Atlas London");
		await next("A routing plan");
		await walk.heading("New plan");
		await walk.fill({ name: "Cheapest" });
		await page.getByRole("link", { name: "Trunks", exact: true }).click();
		await page.getByRole("dialog", { name: "Leave without saving?" }).waitFor();
		await page.keyboard.press("Escape");
		must((await walk.field("name").inputValue()) === "Cheapest", "what was typed is gone");
		await walk.press("Add a member");
		await page.getByRole("group", { name: "member 1" }).getByLabel("Trunk").selectOption({ label: "Atlas / Atlas London" });
		await walk.press("Create");
		await walk.heading("Cheapest");
		await next("An ingress trunk for the customer");
		await walk.heading("New ingress trunk");
		await walk.fill({ carrier_id: { label: "Northwind" }, name: "Northwind PBX", source_cidrs: customer.split(":")[0], rate_deck_id: { label: "Northwind sell" }, routing_plan_id: { label: "Cheapest" } });
		await walk.press("Create");
		await walk.heading("Northwind PBX");
	},
	async "the simulator finds the way, and says why another number has none"() {
		await next("A first call");
		await walk.heading("Route simulator");
		await page.getByLabel("Called").fill("4930123456");
		await walk.press("Find routes");
		await walk.sees("No vendor can take this call.");
		await walk.picture("simulator-none");
		await page.getByLabel("Called").fill(`+${CALLED}`);
		await walk.press("Find routes");
		await walk.rows("Vendors in order").filter({ hasText: "Atlas London" }).waitFor();
	},
	async "a live call, which is hung up"() {
		await walk.visit("calls", "Live calls");
		await walk.sees("No live call. New ones appear here by themselves.");
		console.log("place the call");
		const row = walk.rows("Live calls").filter({ hasText: CALLED });
		await row.filter({ hasText: "answered" }).waitFor();
		await row.getByRole("button", { name: "Hang up" }).click();
		await walk.confirm("Hang up");
		await walk.sees("0 of 0 calls");
		console.log("it ends");
	},
	async "its CDR, with flow and routing"() {
		await page.getByRole("link", { name: "CDRs", exact: true }).click();
		await walk.heading("CDRs");
		for (let left = 20; left && !(await walk.rows("CDRs").count()); left--) { // it is there within five seconds
			await page.waitForTimeout(300);
			await walk.press("Search");
			await walk.settled();
		}
		await walk.rows("CDRs").first().click();
		await walk.heading(`Call to ${CALLED}`);
		await page.getByRole("img", { name: /INVITE.*200 OK.*BYE/ }).waitFor();
		await walk.rows("Vendors in order").filter({ hasText: "Atlas London" }).waitFor();
		await page.getByRole("link", { name: "Dashboard" }).click();
		await walk.heading("Dashboard");
		must((await page.getByText("To the first call").count()) === 0, "the first call was made, but the dashboard still leads to it");
	},
	async "an invoice, and an export"() {
		await page.getByRole("link", { name: "Carriers", exact: true }).click();
		await page.getByRole("link", { name: "Northwind", exact: true }).click();
		await walk.heading("Northwind");
		await walk.press("New invoice", "link");
		await walk.heading("New invoice");
		must((await walk.field("from").inputValue()) && (await walk.field("to").inputValue()), "the period is not proposed");
		await walk.press("This month");
		await walk.press("Draft it");
		await page.getByRole("heading", { name: "Lines" }).waitFor();
		await walk.rows("Lines").filter({ hasText: "United Kingdom" }).waitFor();
		await walk.press("Issue");
		await walk.confirm("Issue");
		await page.getByRole("button", { name: "Void" }).waitFor();
		await page.getByRole("link", { name: "Exports", exact: true }).click();
		await walk.press("Export now");
		await walk.heading(/^Export \d/);
		await walk.rows("Files").filter({ hasText: "cdrs.csv.gz" }).waitFor();
	},
};

try {
	process.exitCode = (await walk.through(steps)) ? 1 : 0;
} finally {
	await walk.browser.close();
}
