// SPDX-License-Identifier: Apache-2.0
// console.mjs - one operator's walk through the console, in the system's Chromium: node console.mjs URL KEY PICTURES SHEET CALLED LIVE
// CALLED: a number whose call was refused by one vendor and taken by the next; LIVE: a number that talks now and is hung up here.
// Ends with status 0 if every step held; a message on the console, a failed request or one to another host is a failure.
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const [base, key, pictures, sheet, called, live] = process.argv.slice(2);
const LIMIT = 10000;
const wrong = [];

function must(holds, what) {
	if (!holds)
		throw new Error(what);
}

mkdirSync(pictures, { recursive: true });
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, colorScheme: "light" });
const page = await context.newPage();
page.setDefaultTimeout(LIMIT);
let refusalExpected = false;
page.on("console", (m) => (m.type() === "error" || m.type() === "warning") && !refusalExpected && wrong.push(`console: ${m.text()}`));
page.on("pageerror", (e) => wrong.push(`script: ${e.message}`));
page.on("request", (r) => /^https?:/.test(r.url()) && !r.url().startsWith(base + "/") && wrong.push(`another host: ${r.url()}`));

async function picture(name, full = true) {
	await page.evaluate(() => document.getElementById("toasts")?.replaceChildren()); // what was said of earlier steps
	await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: full, animations: "disabled" });
}
const heading = (text) => page.getByRole("heading", { level: 1, name: text }).waitFor();
async function visit(path, title) {
	await page.goto(`${base}/#/${path}`);
	await heading(title);
}
const sees = (text) => page.getByText(text).first().waitFor();

const steps = {
	async "a wrong key is refused"() {
		await page.goto(base + "/");
		refusalExpected = true;
		await page.getByLabel("API key").fill("wrong");
		await page.getByRole("button", { name: "Sign in" }).click();
		await sees("This key is not known here.");
		refusalExpected = false;
		await picture("sign-in");
	},
	async "the right key opens the dashboard, and stays in the tab alone"() {
		await page.getByLabel("API key").fill(key);
		await page.keyboard.press("Enter");
		await heading("Dashboard");
		must((await page.evaluate(() => sessionStorage.getItem("tandem.key"))) === key, "the key is not in sessionStorage");
		must(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key) && !(await context.cookies()).length, "the key is kept elsewhere");
	},
	async "the dashboard shows calls, figures and plots"() {
		await page.locator(".tile", { hasText: "live calls" }).getByText("2", { exact: true }).waitFor();
		must((await page.locator("canvas").count()) === 6, "six plots are expected");
		must(!(await page.locator(".tile", { hasText: "ASR" }).innerText()).includes("–"), "no ASR");
		const inked = await page.locator("canvas").nth(2).evaluate((c) => new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer).some((p) => p));
		must(inked, "the plot of margins is empty");
		await page.waitForFunction(() => document.querySelectorAll(".tile")[0].innerText.startsWith("2"));
		await page.waitForTimeout(9000); // a few points of the plots of now
		await picture("dashboard");
	},
	async "live calls are filtered, marked and hung up"() {
		await visit("calls", "Live calls");
		must((await page.locator("tbody tr").count()) === 2, "two live calls are expected");
		await picture("calls");
		await page.getByLabel("Filter calls").fill(live);
		await sees("1 of 2 calls");
		await page.getByLabel(`Mark the call to ${live}`).check();
		await page.getByRole("button", { name: "Hang up 1 marked" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Hang up" }).click();
		await sees("0 of 1 calls");
	},
	async "a CDR is found, with its flow and its routing"() {
		await visit("cdrs", "CDRs");
		await picture("cdrs");
		await page.getByLabel("Called", { exact: true }).fill(called);
		await page.getByRole("button", { name: "Search" }).click();
		await page.waitForURL(new RegExp(`called=${called}`));
		await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
		await page.locator("tbody tr a").first().click();
		await heading(`Call to ${called}`);
		const told = await page.getByRole("img", { name: /INVITE/ }).getAttribute("aria-label");
		must(/503/.test(told) && /200 OK/.test(told) && /BYE/.test(told), `the call flow says: ${told}`);
		await page.getByRole("heading", { name: "Vendors in order" }).waitFor();
		must((await page.getByRole("region", { name: "Vendors in order" }).locator("tbody tr").count()) === 2, "two vendors were considered");
		await picture("cdr");
	},
	async "a carrier is made, changed and deleted, and a bad field is named"() {
		await visit("carriers/new", "New carrier");
		await page.locator("#field-name").fill("Delta Networks");
		await page.locator("#field-currency").fill("XX");
		refusalExpected = true;
		await page.getByRole("button", { name: "Create" }).click();
		await page.locator("#field-currency-fault").getByText("currency").waitFor();
		refusalExpected = false;
		await picture("carrier-new");
		await page.locator("#field-currency").fill("USD");
		await page.getByRole("button", { name: "Create" }).click();
		await heading("Delta Networks");
		await page.getByRole("button", { name: "Change" }).click();
		await page.locator("#field-max_channels").fill("30");
		await page.getByRole("button", { name: "Save" }).click();
		await sees("Saved.");
		await page.getByRole("button", { name: "Delete" }).click();
		await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
		await heading("Carriers");
		must((await page.getByRole("link", { name: "Delta Networks" }).count()) === 0, "the carrier is still there");
		await picture("carriers");
		await page.getByRole("link", { name: "Harbour Telecom" }).click();
		await heading("Harbour Telecom");
		await picture("carrier");
	},
	async "trunks and plans are shown"() {
		await visit("trunks", "Trunks");
		await picture("trunks");
		await page.getByRole("link", { name: "Harbour Telecom" }).first().click();
		await heading("Harbour Telecom");
		await picture("trunk");
		await visit("routing-plans", "Routing plans");
		await picture("plans");
		await page.getByRole("link", { name: "Harbour Telecom plan" }).click();
		await page.getByRole("heading", { name: "Members" }).waitFor();
		await picture("plan");
	},
	async "a rate sheet is tried, then imported"() {
		await visit("rate-decks", "Rate decks");
		await picture("decks");
		await page.getByRole("link", { name: "Atlas Carrier buy" }).click();
		await heading("Atlas Carrier buy");
		await page.getByLabel("CSV file").setInputFiles(sheet);
		await page.getByRole("button", { name: "See what would change" }).click();
		await sees("Nothing is changed yet");
		await picture("deck-import");
		await page.getByRole("button", { name: "Import this" }).click();
		await page.getByRole("heading", { name: "Imported" }).waitFor();
	},
	async "the simulator says where a call would go"() {
		await visit("simulator", "Route simulator");
		await page.getByLabel("Called").fill("442079460123");
		await page.getByRole("button", { name: "Find routes" }).click();
		await page.getByRole("heading", { name: "Vendors in order" }).waitFor();
		await sees("United Kingdom");
		await picture("simulator");
	},
	async "invoices, exports and the audit log are shown"() {
		await visit("invoices", "Invoices");
		await page.getByRole("link", { name: "New invoice" }).click();
		await heading("New invoice");
		await page.locator("#field-carrier_id").selectOption({ label: "Harbour Telecom" });
		const day = new Date().toISOString().slice(0, 10);
		await page.locator("#field-from").fill(day);
		await page.locator("#field-to").fill(day);
		await page.getByRole("button", { name: "Create" }).click();
		await page.getByRole("heading", { name: "Lines" }).waitFor();
		await picture("invoice");
		await visit("invoices", "Invoices");
		await picture("invoices");
		await visit("exports", "Exports");
		await picture("exports");
		await page.locator("tbody tr a").first().click();
		await page.getByRole("heading", { name: "Files" }).waitFor();
		await picture("export");
		await visit("audit", "Audit log");
		await picture("audit", false);
	},
	async "the keyboard alone reaches every page"() {
		await visit("overview", "Dashboard");
		await page.evaluate(() => document.activeElement.blur());
		const reached = new Set();
		for (let i = 0; i < 25; i++) {
			await page.keyboard.press("Tab");
			reached.add(await page.evaluate(() => document.activeElement.dataset.page));
		}
		must(["calls", "cdrs", "carriers", "simulator", "audit"].every((p) => reached.has(p)), `Tab reaches ${[...reached]}`);
		await page.locator("[data-page=trunks]").focus();
		await page.keyboard.press("Enter");
		await heading("Trunks");
	},
	async "it is dark on request"() {
		await page.getByRole("button", { name: "Light / dark" }).click();
		must((await page.evaluate(() => document.documentElement.dataset.theme)) === "dark", "the theme did not change");
		await visit("overview", "Dashboard");
		await page.waitForTimeout(5000);
		await picture("dashboard-dark");
	},
	async "it fits a phone"() {
		await page.setViewportSize({ width: 390, height: 844 });
		for (const [path, title] of [["overview", "Dashboard"], ["calls", "Live calls"], ["cdrs", "CDRs"], ["carriers", "Carriers"], ["simulator", "Route simulator"]]) {
			await visit(path, title);
			const fits = () => document.documentElement.scrollWidth <= innerWidth; // plots follow the window a moment later
			await page.waitForFunction(fits, null, { timeout: 5000 }).catch(() => {});
			must(await page.evaluate(fits), `${path} is wider than a phone`);
		}
		await page.getByRole("button", { name: "Menu" }).click();
		await page.getByRole("link", { name: "CDRs" }).click();
		await heading("CDRs");
		await picture("phone", false);
	},
	async "signing out forgets the key"() {
		await page.getByRole("button", { name: "Sign out" }).click();
		await page.getByLabel("API key").waitFor();
		must((await page.evaluate(() => sessionStorage.length)) === 0, "the key is still there");
	},
};

try {
	for (const [what, step] of Object.entries(steps)) {
		try {
			await step();
		} catch (e) {
			await picture("failure").catch(() => {});
			throw new Error(`${what}: ${e.message}`);
		}
		must(!wrong.length, `${what}: ${wrong.join("; ")}`);
		console.log(`     ${what}`);
	}
} catch (e) {
	console.error([e.message, ...wrong].join("\n"));
	process.exitCode = 1;
} finally {
	await browser.close();
}
