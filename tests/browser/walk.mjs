// SPDX-License-Identifier: Apache-2.0
// walk.mjs - a browser with one page of the console open, and what steps of a walk need: pictures, waits for what is to be
// seen, the API beside it, and a list of what must never happen (a message on the console, a request to another host).
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";

const LIMIT = 20000;
const TALL = 1600; // px; a picture shows no more of a long page

export function must(holds, what) {
	if (!holds)
		throw new Error(what);
}

export class Walk {
	wrong = [];
	#refusal = false;

	static async begin(base, key, pictures) {
		const w = new Walk();
		Object.assign(w, { base, key, pictures });
		mkdirSync(pictures, { recursive: true });
		w.browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
		w.context = await w.browser.newContext({ viewport: { width: 1360, height: 860 }, colorScheme: "light", reducedMotion: "reduce", permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true });
		w.page = await w.tab();
		return w;
	}
	/* A tab of its own: the key is kept by the tab. */
	async tab() {
		const page = await this.context.newPage();
		page.setDefaultTimeout(LIMIT);
		page.on("console", (m) => ["error", "warning"].includes(m.type()) && !this.#refusal && this.wrong.push(`console: ${m.text()}`));
		page.on("pageerror", (e) => this.wrong.push(`script: ${e.message}`));
		page.on("request", (r) => /^https?:/.test(r.url()) && !r.url().startsWith(this.base + "/") && this.wrong.push(`another host: ${r.url()}`));
		return page;
	}
	/* Another one, that a key has signed in to. */
	async signedIn(key) {
		const tab = await this.tab();
		await tab.goto(this.base + "/");
		await tab.getByLabel("API key").fill(key);
		await tab.keyboard.press("Enter");
		await tab.locator("nav").waitFor();
		return tab;
	}
	/* What the server refuses stands on Chromium's console, too: here it is wanted. */
	async refused(what) {
		this.#refusal = true;
		await what();
		this.#refusal = false;
	}
	async picture(name, full = true, page = this.page) {
		await page.evaluate(() => (scrollTo(0, 0), document.getElementById("toasts")?.replaceChildren())); // what was said of earlier steps
		await page.mouse.move(0, 0);
		const size = page.viewportSize();
		const height = full ? Math.min(TALL, Math.max(size.height, await page.evaluate(() => document.documentElement.scrollHeight))) : size.height;
		await page.screenshot({ path: `${this.pictures}/${name}.png`, fullPage: full, clip: { x: 0, y: 0, width: size.width, height }, animations: "disabled", timeout: 3 * LIMIT });
	}
	heading(text) {
		return this.page.getByRole("heading", { level: 1, name: text, exact: typeof text === "string" }).waitFor();
	}
	/* Forms are left behind on purpose: nobody is asked. */
	async visit(path, title) {
		await this.page.evaluate(() => document.querySelector("#place form[data-touched]")?.removeAttribute("data-touched"));
		await this.page.goto(`${this.base}/#/${path}`);
		await this.heading(title);
		await this.settled();
	}
	/* Until what the address asks for is what is shown. */
	settled() {
		return this.page.waitForFunction(() => {
			const place = document.getElementById("place");
			return place?.dataset.page === location.hash.slice(2) && !place.hasAttribute("aria-busy");
		});
	}
	sees(text) {
		return this.page.getByText(text).first().waitFor();
	}
	press(name, role = "button") {
		return this.page.getByRole(role, { name, exact: true }).first().click();
	}
	/* In the dialog that asks: yes. */
	confirm(verb) {
		return this.page.getByRole("dialog").getByRole("button", { name: verb, exact: true }).click();
	}
	field(name) {
		return this.page.locator(`#field-${name}`);
	}
	/* Text is typed, true and false tick a box, {label} chooses. */
	async fill(values) {
		for (const [name, value] of Object.entries(values)) {
			if (typeof value === "boolean")
				await this.field(name).setChecked(value);
			else if (typeof value === "object")
				await this.field(name).selectOption(value);
			else
				await this.field(name).fill(value);
		}
	}
	rows(region) {
		return this.page.getByRole("region", { name: region, exact: true }).locator("tbody tr");
	}
	/* Until `n` further answers of a path have come. */
	async answers(path, n) {
		for (let i = 0; i < n; i++)
			await this.page.waitForResponse((r) => new URL(r.url()).pathname === path);
	}
	async api(path, key = this.key) {
		const answer = await fetch(this.base + path, { headers: { Authorization: `Bearer ${key}` } });
		must(answer.ok, `${path}: ${answer.status}`);
		return answer.json();
	}
	async only(path) {
		const { items } = await this.api(path);
		must(items.length === 1, `${path} has ${items.length} items`);
		return items[0];
	}
	/* steps: {what: async () => ...}, one after the other; each told, and none may leave anything wrong behind. Those after one
	 * that fails are tried, too. Returns how many failed. */
	async through(steps) {
		let failed = 0;
		for (const [what, step] of Object.entries(steps)) {
			const begin = Date.now();
			try {
				await step();
				must(!this.wrong.length, this.wrong.join("; "));
				console.log(`     ${what} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
			} catch (e) {
				console.log(`FAIL ${what}: ${e.message}\n  at ${this.page.url()} ${this.wrong.join("; ")}`);
				await this.picture(`failure-${++failed}`).catch(() => {});
			}
			this.wrong.length = 0;
			this.#refusal = false;
		}
		return failed;
	}
}
