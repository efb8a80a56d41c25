// SPDX-License-Identifier: Apache-2.0
// figures.mjs - the steps of who watches: dashboard, live calls, CDRs, statistics, vendors, alarms, nodes.
import { readFileSync } from "node:fs";
import { crowded } from "./looks.mjs";
import { must } from "./walk.mjs";

export const figures = (walk, { called, live }) => {
	const { page } = walk;
	return {
		async "the dashboard shows calls, figures, alarms and plots"() {
			await walk.visit("overview", "Dashboard");
			await page.locator(".tile", { hasText: "Live calls" }).getByText("2", { exact: true }).waitFor();
			must((await page.locator("canvas").count()) === 8, "eight plots are expected");
			must(!(await page.locator(".tile", { hasText: "ASR" }).innerText()).includes("–"), "no ASR");
			const inked = await page.locator("canvas").nth(2).evaluate((c) => new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer).some((p) => p));
			must(inked, "the plot of margins is empty");
			await page.locator(".alarms").getByText("Harbour Telecom: balance").waitFor();
			await page.getByRole("status").filter({ hasText: /^live$/ }).waitFor();
			const alarm = page.locator(".alarms a").last();
			await alarm.focus();
			await walk.answers("/v1/nodes", 4); // a few points of the plots of now
			must(await alarm.evaluate((e) => e === document.activeElement), "an alarm that still stands was drawn again: it has lost the focus");
			await walk.picture("dashboard");
			const says = await page.locator("canvas").nth(2).evaluate((c) => { // as the pointer is told over the last hour
				const chart = window.Chart.getChart(c);
				chart.tooltip.setActiveElements([{ datasetIndex: 0, index: 23 }, { datasetIndex: 1, index: 23 }], { x: 0, y: 0 });
				return [...chart.tooltip.title, ...chart.tooltip.body.map((b) => b.lines[0])].join("; ");
			});
			must(/^\d{4}-\d\d-\d\d \d\d:00 to \d\d:00 UTC\S*; revenue: 0\.00\d+ USD; margin: 0\.00\d+ USD$/.test(says), `the pointer is told: ${says}`);
		},
		async "its range stands in the address, and an alarm leads to what it means"() {
			await walk.press("7 days", "link");
			await page.waitForURL(/hours=168/);
			await walk.settled();
			must((await page.locator(".ranges [aria-current]").innerText()) === "7 days", "the range is not marked");
			must((await page.locator("canvas").nth(3).evaluate((c) => window.Chart.getChart(c).data.labels.length)) === 168, "seven days have 168 hours");
			await walk.press("30 days", "link");
			await page.waitForURL(/hours=720/);
			await walk.settled();
			const days = await walk.page.locator("canvas").evaluateAll((all) => all.slice(2).map((c) => window.Chart.getChart(c).data.labels.length));
			must(days.slice(0, 5).every((n) => n === 30) && days[5] > 29 * 24 && days[5] <= 30 * 24, `thirty days, and their hours for percentiles, are expected, not ${days}`);
			const calls = (await walk.api("/v1/stats?group_by=hour")).items.reduce((n, i) => n + i.calls, 0);
			const drawn = await page.getByRole("img", { name: "Calls by day" }).evaluate((c) => window.Chart.getChart(c).data.datasets[0].data);
			must(drawn.reduce((n, v) => n + v, 0) === calls && drawn.filter((v) => v !== null).length <= 2, `the days' calls are ${drawn}, not ${calls} of today`);
			await page.getByRole("img", { name: "Post-dial delay by hour" }).waitFor();
			await walk.picture("dashboard-month");
			await page.getByRole("link", { name: "low balance" }).click();
			await walk.heading("Alarms");
			await page.waitForFunction(() => document.activeElement.id === "low-balance");
			await walk.sees("new calls are refused with 402");
		},
		async "thirty full days can be read on a phone, in light and dark"() {
			const hour = 3600000;
			await page.route(/\/v1\/stats\?group_by=hour/, async (r) => {
				const from = Date.parse(new URL(r.request().url()).searchParams.get("from"));
				const [like] = (await (await r.fetch()).json()).items;
				const items = Array.from({ length: Math.ceil((Date.now() - from) / hour) }, (_, i) => ({ ...like, hour: new Date(from + i * hour).toISOString(), calls: 900 + (i % 24) * 40, answered: 500 + (i % 24) * 30, pdd_p50_ms: 900 + ((i * 37) % 500), pdd_p95_ms: 2500 + ((i * 71) % 900) }));
				await r.fulfill({ json: { items, next_cursor: null } });
			});
			await page.setViewportSize({ width: 390, height: 844 });
			for (const colours of ["light", "dark"]) {
				await page.evaluate((c) => localStorage.setItem("tandem.theme", c), colours);
				await page.reload();
				await walk.visit("overview?hours=720", "Dashboard");
				const heights = await page.locator(".ranges a").evaluateAll((all) => all.map((a) => a.getClientRects().length));
				must(heights.every((n) => n === 1), "a range is broken over two lines");
				const wrong = await page.evaluate(crowded);
				must(!wrong.length, wrong.join("; "));
				const bars = await page.getByRole("img", { name: "Calls by day" }).evaluate((c) => window.Chart.getChart(c).getDatasetMeta(0).data.map((b) => b.width));
				must(bars.length === 30 && bars.every((w) => w >= 3), `the bars are ${bars} px wide`);
			}
			await page.evaluate(() => localStorage.removeItem("tandem.theme"));
			await page.unroute(/\/v1\/stats\?group_by=hour/);
			await page.setViewportSize({ width: 1360, height: 860 });
			await page.reload();
		},
		async "live figures that stop are said to have stopped, and come back by themselves"() {
			await walk.visit("overview", "Dashboard");
			await page.getByRole("status").filter({ hasText: /^live$/ }).waitFor();
			await walk.refused(async () => {
				await page.route("**/v1/**", (r) => r.abort());
				await walk.sees("What happens now can't be read: The server does not answer.");
				await walk.visit("calls", "This page can't be shown");
				await page.unroute("**/v1/**");
				await walk.press("Try again");
				await walk.heading("Live calls");
				await page.getByRole("status").filter({ hasText: /^live$/ }).waitFor();
				await page.route("**/v1/calls/events", (r) => r.fulfill({ status: 503, contentType: "application/problem+json", body: '{"title":"away","status":503,"detail":"Redis is away."}' }));
				await walk.visit("overview", "Dashboard");
				await page.getByRole("status").filter({ hasText: "not live: reconnecting…" }).waitFor();
				await page.unroute("**/v1/calls/events");
				await page.getByRole("status").filter({ hasText: /^live$/ }).waitFor();
			});
		},
		async "the focus stays with its call: when that ends it goes to the table, and to no other call's button"() {
			const { items } = await walk.api("/v1/calls");
			let go;
			const focused = new Promise((resolve) => (go = resolve));
			await page.route("**/v1/calls/events", async (r) => {
				await focused;
				await r.fulfill({ status: 200, contentType: "text/event-stream", body: `event: call.ended\ndata: {"id": "${items[0].id}"}\n\n` });
			});
			await walk.visit("calls", "Live calls");
			await walk.sees("2 of 2 calls");
			await walk.rows("Live calls").first().getByRole("button", { name: "Hang up" }).focus();
			go();
			await walk.sees("1 of 1 calls");
			const at = await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
			must(at === "Live calls", `the focus is at “${at}”`);
			await page.unroute("**/v1/calls/events");
			await page.reload();
		},
		async "live calls are searched, marked and hung up, after a question that Escape denies"() {
			await walk.visit("calls", "Live calls");
			await walk.sees("2 of 2 calls");
			await walk.picture("calls");
			await page.getByLabel("Number, destination or name").fill(live);
			await page.keyboard.press("Enter");
			await page.waitForURL(new RegExp(`text=${live}`));
			await walk.settled();
			await walk.sees("1 of 2 calls");
			const many = page.getByRole("button", { name: /^Hang up 1 marked/ });
			await page.getByLabel(`Mark the call to ${live}`).check();
			await many.focus();
			await page.keyboard.press("Enter");
			await page.getByRole("dialog").waitFor();
			must((await page.evaluate(() => document.activeElement.textContent)) === "Cancel", "the dialog does not begin with what is safe");
			await page.keyboard.press("Escape");
			await page.getByRole("dialog").waitFor({ state: "detached" });
			must(await many.evaluate((e) => e === document.activeElement), "the focus is not where it was before the question");
			must((await walk.api("/v1/calls")).items.length === 2, "Escape has hung up");
			await many.click();
			await walk.confirm("Hang up");
			await walk.sees("0 of 1 calls");
		},
		async "a page that is left while it is read leaves nothing behind that runs on"() {
			await walk.visit("nodes", "Nodes");
			await page.evaluate(() => {
				const [set, clear] = [window.setInterval, window.clearInterval];
				window.running = new Set();
				window.setInterval = (...more) => {
					const id = set(...more);
					window.running.add(id);
					return id;
				};
				window.clearInterval = (id) => (window.running.delete(id), clear(id));
			});
			let go;
			const left = new Promise((resolve) => (go = resolve));
			await page.route("**/v1/carriers*", async (r) => (await left, r.continue()));
			const carriers = (r) => new URL(r.url()).pathname === "/v1/carriers";
			const [asked, read] = [page.waitForRequest(carriers), page.waitForResponse(carriers)];
			await page.evaluate(() => (location.hash = "#/calls"));
			await asked;
			await walk.visit("nodes", "Nodes");
			go();
			await (await read).finished();
			await walk.visit("nodes", "Nodes");
			await page.unroute("**/v1/carriers*");
			must((await page.evaluate(() => window.running.size)) === 0, "an interval runs on");
			await page.reload();
		},
		async "more of a list comes once, however often it is asked for, and the focus stays there"() {
			const entry = (n) => ({ id: n, at: "2026-01-01T00:00:00.000Z", actor: "story", action: "create", resource: "carriers", resource_id: String(n), before: null, after: null });
			let go;
			const clicked = new Promise((resolve) => (go = resolve));
			await page.route("**/v1/audit-log*", async (r) => {
				const second = new URL(r.request().url()).searchParams.has("cursor");
				if (second)
					await clicked;
				await r.fulfill({ json: { items: second ? [entry(1)] : [entry(3), entry(2)], next_cursor: second ? null : "more" } });
			});
			await walk.visit("audit", "Audit log");
			const more = page.getByRole("button", { name: "Show 50 more" });
			await more.click();
			await more.click();
			go();
			await walk.sees("3 in all");
			must((await page.evaluate(() => document.activeElement.textContent)) === "CSV", "the focus is lost");
			await page.unroute("**/v1/audit-log*");
		},
		async "a CDR is found, with its flow and its routing, and its ids can be copied"() {
			await walk.visit("cdrs", "CDRs");
			await walk.picture("cdrs");
			await page.getByLabel("Called", { exact: true }).fill(called);
			await walk.press("Search");
			await page.waitForURL(new RegExp(`called=${called}`));
			await walk.settled();
			await walk.sees("1 in all");
			await walk.rows("CDRs").first().click(); // the whole row leads there
			await walk.heading(`Call to ${called}`);
			const told = await page.getByRole("img", { name: /INVITE/ }).getAttribute("aria-label");
			must(/503/.test(told) && /200 OK/.test(told) && /BYE/.test(told), `the call flow says: ${told}`);
			must((await walk.rows("Vendors in order").count()) === 2, "two vendors were considered");
			const corrected = await walk.rows("Corrections").first().innerText();
			must(/sell/.test(corrected) && /0\.0005 USD/.test(corrected) && /prefix 44/.test(corrected), `the correction says: ${corrected}`);
			await walk.picture("cdr");
			await page.getByRole("button", { name: "Copy Call-ID" }).first().click();
			await walk.sees("Copied: ");
			const cdr = await walk.only(`/v1/cdrs?called=${called}`);
			must((await page.evaluate(() => navigator.clipboard.readText())) === cdr.a_call_id, "another Call-ID was copied");
		},
		async "Back finds the search as it was, and a link to it needs nothing else"() {
			await page.goBack();
			await walk.heading("CDRs");
			await walk.settled();
			must((await page.getByLabel("Called", { exact: true }).inputValue()) === called, "the search is lost");
			await page.reload();
			await walk.sees("1 in all");
			await walk.press("Clear", "link");
			await walk.rows("CDRs").nth(1).waitFor();
			await walk.press("24 hours");
			await page.waitForURL(/from=/);
			await walk.settled();
			must((await page.locator("[name=from]").inputValue()) !== "", "the time is not shown");
		},
		async "any list can be had as CSV"() {
			await walk.visit(`cdrs?called=${called}`, "CDRs");
			const [file] = await Promise.all([page.waitForEvent("download"), walk.press("CSV")]);
			const text = readFileSync(await file.path(), "utf8");
			must(text.startsWith("id,node,") && text.trim().split("\n").length === 2 && text.includes(called), `the CSV is ${text.slice(0, 200)}`);
		},
		async "statistics by carrier, trunk, destination and hour lead to their calls"() {
			const calls = (await walk.api("/v1/stats?group_by=carrier")).items.reduce((n, i) => n + i.calls, 0);
			for (const by of ["trunk", "destination", "hour", "carrier"]) {
				await walk.visit(`statistics?group_by=${by}`, "Statistics");
				await page.getByRole("heading", { name: `By ${by}` }).waitFor();
				const cells = await walk.rows(`By ${by}`).locator("td:nth-child(2)").allInnerTexts();
				must(cells.reduce((n, c) => n + Number(c), 0) === calls, `by ${by} it is ${cells} calls, not ${calls}`);
				must((await page.locator("canvas").count()) === 2, "two plots are expected");
				await walk.picture(`statistics-${by}`);
			}
			await page.getByRole("button", { name: /^Margin/ }).focus();
			await page.keyboard.press("Enter");
			must((await page.locator("th", { hasText: "Margin" }).last().getAttribute("aria-sort")) === "descending", "it is not sorted");
			await walk.rows("By carrier").getByRole("link").first().click();
			await walk.heading("CDRs");
		},
		async "a vendor is taken out of service, which is an alarm, and let in again"() {
			await walk.visit("vendors", "Vendors");
			const row = () => walk.rows("Health").filter({ hasText: "Cirrus Voice" });
			await row().getByRole("button", { name: "Force down" }).click();
			await walk.confirm("Force down");
			await row().getByRole("button", { name: "As observed" }).waitFor();
			await walk.picture("vendors");
			let alarm = false;
			for (const until = Date.now() + 10000; !alarm && Date.now() < until;) { // the nodes take it over within 2 s
				await walk.visit("overview", "Dashboard");
				await walk.visit("alarms", "Alarms");
				alarm = (await page.getByText("vendor forced down").count()) > 0;
			}
			must(alarm, "the vendor that is forced down is no alarm");
			await walk.sees("Harbour Telecom: balance");
			await walk.picture("alarms");
			await walk.visit("vendors", "Vendors");
			await row().getByRole("button", { name: "As observed" }).click();
			await row().getByRole("button", { name: "Force down" }).waitFor();
		},
		async "nodes tell how they do"() {
			await walk.visit("nodes", "Nodes");
			must(/sw1\s+up/.test(await walk.rows("Nodes").first().innerText()), "sw1 is not up");
			await walk.picture("nodes");
		},
		async "the simulator says where a call would go, and keeps the question in the address"() {
			await walk.visit("simulator", "Route simulator");
			await page.getByLabel("Called").fill("442079460123");
			await walk.press("Find routes");
			await page.getByRole("heading", { name: "Vendors in order" }).waitFor();
			await walk.sees("United Kingdom");
			await walk.picture("simulator");
			await walk.refused(async () => {
				await page.getByLabel("Called").fill("12x");
				await walk.press("Find routes");
				await page.getByRole("alert").filter({ hasText: "called" }).waitFor();
			});
		},
	};
};
