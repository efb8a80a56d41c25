// SPDX-License-Identifier: Apache-2.0
// console.mjs - an operator's walk through the console, in the system's Chromium: node console.mjs URL KEY PICTURES SHEET CALLED LIVE
// CALLED: a number whose call was refused by one vendor and taken by the next; LIVE: a number that talks now and is hung up here.
// Ends with status 0 if every step held.
import { figures } from "./figures.mjs";
import { hostile } from "./hostile.mjs";
import { leaving } from "./leaving.mjs";
import { many } from "./many.mjs";
import { everyPage } from "./pages.mjs";
import { rights } from "./rights.mjs";
import { settings } from "./settings.mjs";
import { Walk, must } from "./walk.mjs";

const [base, key, pictures, sheet, called, live] = process.argv.slice(2);
const walk = await Walk.begin(base, key, pictures);
const { page, context } = walk;

const signIn = {
	async "a wrong key is refused"() {
		await page.goto(base + "/");
		await walk.refused(async () => {
			await page.getByLabel("API key").fill("wrong");
			await walk.press("Sign in");
			await walk.sees("This key is not known here.");
		});
		await walk.picture("sign-in");
	},
	async "the right key opens the page that was asked for, and stays in the tab alone"() {
		await page.goto(base + "/#/nodes");
		await page.getByLabel("API key").fill(key);
		await page.keyboard.press("Enter");
		await walk.heading("Nodes");
		must((await page.evaluate(() => sessionStorage.getItem("tandem.key"))) === key, "the key is not in sessionStorage");
		must(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(key) && !(await context.cookies()).length, "the key is kept elsewhere");
	},
};

const signOut = {
	async "signing out forgets the key"() {
		await walk.press("Sign out");
		await page.getByLabel("API key").waitFor();
		must((await page.evaluate(() => sessionStorage.length)) === 0, "the key is still there");
	},
};

try {
	const failed = await walk.through({ ...signIn, ...figures(walk, { called, live }), ...settings(walk, { sheet }), ...rights(walk), ...many(walk), ...hostile(walk), ...leaving(walk), ...everyPage(walk), ...signOut });
	process.exitCode = failed ? 1 : 0;
} finally {
	await walk.browser.close();
}
