// SPDX-License-Identifier: Apache-2.0
// pages.mjs - what holds on every page: it can be read, light and dark, has names for all that can be used, fits a phone; and
// the keyboard alone is enough.
import { crowded, focus, tooWide, unmarked, unnamed, unreadable } from "./looks.mjs";
import { must } from "./walk.mjs";

const ALONE = ["dashboard", "dashboard-month", "cdr", "calls", "statistics", "trunk-change"]; // also pictured dark and on a phone

async function addresses(walk) {
	const first = async (path) => (await walk.api(path)).items[0].id;
	const listed = await walk.page.locator("nav a").evaluateAll((links) => links.map((a) => a.getAttribute("href").slice(2)));
	const deck = await first("/v1/rate-decks?name=Atlas%20Carrier%20buy");
	const trunk = await first("/v1/trunks?name=Frankfurt");
	const customer = await first("/v1/trunks?direction=ingress");
	return new Map([...listed.map((p) => [p, p === "overview" ? "dashboard" : p]), [`cdrs/${await first("/v1/cdrs?answered=true")}`, "cdr"], [`carriers/${await first("/v1/carriers")}`], ["carriers/new"], [`trunks/${trunk}`],
		[`trunks/${trunk}/change`, "trunk-change"], [`trunks/${customer}/change`], ["trunks/new?direction=ingress"], [`rate-decks/${deck}`], [`rate-decks/${deck}/change`], [`rate-decks/${deck}/rates`], [`rate-decks/${deck}/rates/new`],
		[`rate-decks/${deck}/rates/${await first(`/v1/rate-decks/${deck}/rates`)}`], [`rate-decks/${deck}/imports/${await first("/v1/imports?status=done")}`], [`routing-plans/${await first("/v1/routing-plans")}`],
		[`routing-plans/${await first("/v1/routing-plans")}/change`], [`number-lists/${await first("/v1/number-lists")}`], ["number-lists/new"], [`number-lengths/${await first("/v1/number-lengths")}`], ["number-lengths/new"], ["exchange-rates/new"], ["payments/new"], ["adjustments/new"], [`invoices/${await first("/v1/invoices")}`], ["invoices/new"], ["invoice-senders/new"], [`invoice-senders/${await first("/v1/invoice-senders")}`],
		["exports/1"], ["export-options/new"], [`export-options/${await first("/v1/export-options")}`], ["trunks/change?direction=egress"], ["api-keys/new"], [`simulator?trunk_id=${customer}&called=442079460123`, "simulation"], ["statistics?group_by=hour", "statistics"], ["overview?hours=72"], ["overview?hours=168"], ["overview?hours=720", "dashboard-month"], ["nothing/here"]]);
}

/* Every page, one after the other: look(path) returns what is wrong there. */
async function each(walk, look) {
	const wrong = [];
	for (const [path, name] of await addresses(walk)) {
		await walk.page.goto(`${walk.base}/#/${path}`);
		await walk.settled();
		wrong.push(...(await look(name)).map((text) => `${path}: ${text}`));
	}
	must(!wrong.length, wrong.join("\n"));
}

/* Press Tab until `wanted` has the focus; each stop on the way must be seen to have it. */
async function tabTo(walk, wanted, most = 80) {
	for (let i = 0; i < most; i++) {
		await walk.page.keyboard.press("Tab");
		const now = await walk.page.evaluate(focus);
		must(now.seen || !now.at, `the focus can't be seen at ${now.at}`);
		if (wanted(now))
			return;
	}
	throw new Error("Tab does not get there");
}

export const everyPage = (walk) => {
	const { page } = walk;
	const theme = (wanted) => page.evaluate((t) => document.documentElement.dataset.theme === t, wanted).then((is) => is || walk.press("Theme"));
	return {
		async "every control has a name, every text contrast, in the light"() {
			await each(walk, async () => [...(await page.evaluate(unnamed)), ...(await page.evaluate(unmarked)), ...(await page.evaluate(unreadable)), ...(await page.evaluate(crowded))]);
		},
		async "and in the dark"() {
			await theme("dark");
			await each(walk, async (name) => {
				const wrong = await page.evaluate(unreadable);
				if (ALONE.includes(name))
					await walk.picture(`${name}-dark`);
				return wrong;
			});
			await theme("light");
		},
		async "no page is wider than a phone"() {
			await page.setViewportSize({ width: 390, height: 844 });
			await each(walk, async (name) => {
				await page.waitForFunction((t) => !new Function(`return (${t})()`)().length, tooWide.toString(), { timeout: 3000 }).catch(() => {}); // plots follow the window a moment later
				if (ALONE.includes(name))
					await walk.picture(`${name}-phone`);
				return [...(await page.evaluate(tooWide)), ...(await page.evaluate(crowded))];
			});
			await walk.press("Menu");
			await page.keyboard.press("Escape");
			must(await page.evaluate(() => document.activeElement.textContent === "Menu" && document.activeElement.getAttribute("aria-expanded") === "false"), "Escape does not close the menu");
			await walk.press("Menu");
			await walk.picture("menu-phone", false);
			await page.getByRole("navigation").getByRole("link", { name: "CDRs" }).click();
			await walk.heading("CDRs");
			await page.setViewportSize({ width: 1360, height: 860 });
		},
		async "the keyboard alone reaches every page, row and button, and the focus is always seen"() {
			await walk.visit("overview", "Dashboard");
			await page.reload();
			await walk.heading("Dashboard");
			await page.keyboard.press("Tab");
			must((await page.evaluate(focus)).at === "a To the content", "the first stop is not the way past the navigation");
			const reached = [];
			await tabTo(walk, (now) => (now.page && reached.push(now.page), now.page === "audit"));
			const shown = await page.locator("nav a").evaluateAll((links) => links.map((a) => a.dataset.page));
			must(reached.join() === shown.join(), `Tab goes to ${reached}, not ${shown}`);
			await page.locator("[data-page=cdrs]").focus();
			await page.keyboard.press("Enter");
			await walk.heading("CDRs");
			must(await page.evaluate(() => document.activeElement.id === "place"), "the focus does not follow to the new page");
			await tabTo(walk, (now) => now.at.startsWith("button Search"));
			await tabTo(walk, (now) => /^a 20\d\d-/.test(now.at));
			const row = () => page.evaluate(() => [...document.activeElement.closest("tbody").rows].indexOf(document.activeElement.closest("tr")));
			await page.keyboard.press("ArrowDown");
			await page.keyboard.press("ArrowDown");
			await page.keyboard.press("ArrowUp");
			must((await row()) === 1, `the arrows lead to row ${await row()}`);
			await page.keyboard.press("Enter");
			await walk.heading(/^Call to/);
			await tabTo(walk, (now) => now.at === "a ‹ CDRs", 2);
			await page.keyboard.press("Enter");
			await walk.heading("CDRs");
		},
		async "a carrier is made with the keyboard alone"() {
			await walk.visit("carriers", "Carriers");
			await tabTo(walk, (now) => now.at === "a New carrier");
			await page.keyboard.press("Enter");
			await walk.heading("New carrier");
			await tabTo(walk, (now) => now.at.startsWith("input name"));
			await page.keyboard.type("Keyboard Telecom");
			await page.keyboard.press("Tab");
			await page.keyboard.type("EUR");
			await page.keyboard.press("Enter");
			await walk.heading("Keyboard Telecom");
			await tabTo(walk, (now) => now.at === "button Delete");
			await page.keyboard.press("Space");
			await page.getByRole("dialog").waitFor();
			await page.keyboard.press("Tab");
			await page.keyboard.press("Enter");
			await walk.heading("Carriers");
		},
		async "a question keeps the focus inside, can be read in both themes, and gives the focus back"() {
			await walk.visit("carriers", "Carriers");
			await page.locator("tbody a").first().click();
			const remove = page.getByRole("button", { name: "Delete", exact: true });
			for (const colours of ["dark", "light"]) {
				await theme(colours);
				await remove.focus();
				await page.keyboard.press("Enter");
				const question = page.getByRole("dialog");
				await question.waitFor();
				for (let i = 0; i < 6; i++) {
					await page.keyboard.press(i < 3 ? "Tab" : "Shift+Tab");
					must(await page.evaluate(() => !document.activeElement.closest("#app")), "Tab leads behind the question");
				}
				const wrong = [...(await page.evaluate(unnamed)), ...(await page.evaluate(unreadable))];
				must(!wrong.length, `${colours}: ${wrong}`);
				await page.keyboard.press("Escape");
				await question.waitFor({ state: "detached" });
				must(await remove.evaluate((e) => e === document.activeElement), "the focus does not come back");
			}
		},
		async "what happens is told to who can't see it"() {
			await walk.visit("simulator", "Route simulator");
			await page.locator("#place [aria-live=polite]").first().waitFor({ state: "attached" }); // the simulator's answer
			await walk.visit("calls", "Live calls");
			await page.locator("#place [role=status]").first().waitFor({ state: "attached" }); // whether it is live
			await walk.visit("overview", "Dashboard");
			await page.locator("#place [aria-live=polite]").locator(".alarms, .calm").first().waitFor({ state: "attached" }); // else alarms are not read out
		},
		async "times can be read in UTC"() {
			await walk.visit("cdrs", "CDRs");
			const button = page.locator(".top button", { hasText: "UTC" });
			await button.click();
			await walk.settled();
			const shown = await page.locator("tbody time").first().innerText();
			const at = await page.locator("tbody time").first().getAttribute("datetime");
			must(at.replace("T", " ").startsWith(shown), `${at} is shown as ${shown} in UTC`);
		},
		async "what is not there is said in words, with a way on"() {
			await walk.refused(async () => {
				await walk.visit("carriers/999999", "There is no such thing here");
				await page.getByRole("button", { name: "Try again" }).waitFor();
			});
			await walk.visit("nothing", "There is no such thing here");
		},
	};
};
