// SPDX-License-Identifier: Apache-2.0
// many.mjs - one change to many trunks, and the end of many calls: each says how many before it does anything.
import { must } from "./walk.mjs";

export const many = (walk) => {
	const { page } = walk;
	return {
		async "many trunks are changed by their search, after a trial that says which"() {
			await walk.visit("trunks?direction=egress", "Trunks");
			const { items } = await walk.api("/v1/trunks?direction=egress");
			await walk.press("Change all found", "link");
			await walk.heading("Change many trunks");
			await walk.sees("All trunks of this search: direction egress.");
			await page.getByLabel("Field to change").selectOption({ label: "Calls a second at most" });
			await walk.refused(async () => {
				await walk.fill({ max_cps: "-4" });
				await walk.press("See what would change");
				await page.locator("#field-max_cps-fault").filter({ hasText: /./ }).waitFor();
			});
			await walk.fill({ max_cps: "40" });
			await walk.press("See what would change");
			const words = `Change ${items.length} trunks`;
			await page.getByRole("button", { name: words }).waitFor();
			must((await walk.rows("Trunks that it is about").count()) === items.length, "the trial does not name each");
			must((await walk.api("/v1/trunks?direction=egress")).items.every((t) => t.max_cps !== 40), "the trial has changed them");
			await walk.picture("trunks-many");
			await walk.press(words);
			await page.getByRole("dialog", { name: `${words}?` }).waitFor();
			await walk.confirm(words);
			await page.getByRole("heading", { name: `${items.length} trunks changed` }).waitFor();
			must((await walk.api("/v1/trunks?direction=egress")).items.every((t) => t.max_cps === 40), "not all are changed");
			must((await walk.api("/v1/trunks?direction=ingress")).items.every((t) => t.max_cps !== 40), "others are changed, too");
		},
		async "calls are hung up by their search, after a question that says how many"() {
			await walk.visit("calls?state=ringing", "Live calls");
			await page.getByRole("status").filter({ hasText: "live" }).waitFor();
			await page.getByRole("button", { name: "Hang up all found (1)" }).click();
			await page.getByRole("dialog", { name: "Hang up 1 call?" }).waitFor();
			await walk.picture("calls-hangup", false);
			await walk.confirm("Hang up 1");
			await walk.sees("1 told to hang up.");
			await walk.sees("0 of 0 calls");
			await walk.visit("calls", "Live calls");
			must(await page.getByRole("button", { name: "Hang up all (0)" }).isDisabled(), "no call can be hung up");
		},
	};
};
