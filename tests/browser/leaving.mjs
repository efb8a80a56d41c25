// SPDX-License-Identifier: Apache-2.0
// leaving.mjs - what was typed is not lost without a question, whichever way the page is left; and what stays the same is
// fetched once.
import { must } from "./walk.mjs";

const SMALL = 60000; // bytes of the description as it comes
const TOLD = 1000; // bytes of an answer that says: as before

export const leaving = (walk) => {
	const { page } = walk;
	const question = page.getByRole("dialog", { name: "Leave without saving?" });
	const stays = async (way) => {
		await question.waitFor();
		await page.keyboard.press("Escape");
		await question.waitFor({ state: "detached" });
		must(page.url().endsWith("#/carriers/new"), `${way}: the address is ${page.url()}`);
		must((await walk.field("name").inputValue()) === "Half typed", `${way}: what was typed is gone`);
	};
	const begin = async () => {
		await walk.visit("nodes", "Nodes");
		await walk.visit("carriers", "Carriers");
		await walk.press("New carrier", "link");
		await walk.heading("New carrier");
		await walk.fill({ name: "Half typed" });
	};
	return {
		async "a form that was begun is not left without a question: by link, Back, address, sign-out, reload"() {
			await begin();
			await walk.press("Trunks", "link");
			await stays("a link");
			await page.evaluate(() => history.back());
			await stays("Back");
			await page.evaluate(() => history.go(-2));
			await stays("Back twice");
			await page.evaluate(() => (location.hash = "#/trunks"));
			await stays("another address");
			await walk.press("Sign out");
			await stays("signing out");
			const asked = new Promise((resolve) => page.once("dialog", (d) => d.dismiss().then(() => resolve(d.type()))));
			await page.evaluate(() => setTimeout(() => location.reload()));
			must((await asked) === "beforeunload", "a reload does not ask");
			must((await walk.field("name").inputValue()) === "Half typed", "a reload: what was typed is gone");
		},
		async "a yes goes where it was meant to, and Back and Forward work from there"() {
			await page.evaluate(() => history.back());
			await question.waitFor();
			await walk.confirm("Leave");
			await walk.heading("Carriers");
			await page.evaluate(() => history.forward());
			await walk.heading("New carrier");
			must((await walk.field("name").inputValue()) === "", "the form is not a new one");
			await page.evaluate(() => history.go(-2)); // nothing was typed: nobody is asked
			await walk.heading("Nodes");
		},
		async "a row that was removed is a change, too; what was saved or cancelled is not asked about"() {
			const { id } = await walk.only("/v1/routing-plans?name=Premium");
			await walk.visit(`routing-plans/${id}/change`, "Change Premium");
			await page.getByRole("button", { name: "Remove member" }).first().click();
			await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Routing plans" }).click();
			await question.waitFor();
			await page.keyboard.press("Escape");
			await walk.press("Cancel");
			await walk.heading("Premium");
			await begin();
			await walk.fill({ currency: "EUR" });
			await walk.press("Create");
			await walk.heading("Half typed");
			await page.evaluate(() => history.back());
			await walk.heading("Carriers");
			must((await question.count()) === 0, "it was saved");
			const made = await walk.only("/v1/carriers?name=Half%20typed");
			await walk.visit(`carriers/${made.id}`, "Half typed");
			await walk.press("Delete");
			await walk.confirm("Delete");
			await walk.heading("Carriers");
		},
		async "the description of the API comes gzipped, and once"() {
			const sizes = async () => {
				await page.reload();
				await walk.heading("Carriers");
				return page.evaluate(() => performance.getEntriesByType("resource").filter((e) => /openapi\.json|chart\.min\.js/.test(e.name)).map((e) => [e.name.split("/").at(-1), e.transferSize, e.encodedBodySize, e.decodedBodySize]));
			};
			const again = await sizes();
			must(again.length === 2, `fetched: ${again}`);
			for (const [name, moved, packed, whole] of again) {
				must(moved < TOLD, `${name} moves ${moved} bytes again`);
				must(packed < whole / 2, `${name} has ${packed} of ${whole} bytes`);
			}
			must(again.find(([name]) => name === "openapi.json")[2] < SMALL, `the description has ${again}`);
		},
	};
};
