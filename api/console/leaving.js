/* SPDX-License-Identifier: Apache-2.0 */
/* leaving.js - what was typed and not sent is not lost without a question: by a link, Back and Forward, another address, signing
 * out, a reload, the tab's end.
 *
 * By the time the browser tells of Back or of another address it has gone there. So each entry of the history bears its number
 * (state.n): the way back to the form is the difference, and after a yes the same way forth. */
import { ask } from "./dom.js";

const begun = () => document.querySelector("#place form[data-touched]");
let at = history.state?.n ?? 0; /* number of the entry that is shown */
let asking = false;

/* atEnd - f when the page of this signal is left; now, if it was left while it was still being made */
export const atEnd = (signal, f) => (signal.aborted ? f() : signal.addEventListener("abort", f, { once: true }));

/* touched, sent - a form holds what stands nowhere else; no longer */
export const touched = (form) => (form.dataset.touched = "");
export const sent = (form) => delete form.dataset.touched;

/* keep - more about the entry that is shown */
export const keep = (more) => history.replaceState({ ...history.state, n: at, ...more }, "");

/* mayLeave - may the page be left? Asked only where something would be lost. */
export async function mayLeave() {
	const form = begun();
	if (!form)
		return true;
	const yes = await ask("Leave without saving?", "Leave", "What you have typed here is lost.");
	if (yes)
		sent(form);
	return yes;
}

/* become - the page at another address in place of this one: Back leads to before it */
export function become(href) {
	history.replaceState({ n: at }, "", href);
	window.dispatchEvent(new HashChangeEvent("hashchange"));
}

const moved = (step) => new Promise((resolve) => {
	window.addEventListener("hashchange", resolve, { once: true });
	history.go(step);
});

/* watch - show() is called for each new address, unless somebody stays */
export function watch(show) {
	let returning = false;
	keep({});
	window.addEventListener("hashchange", async () => {
		if (returning)
			return;
		const to = history.state?.n ?? at + 1;
		if (to !== at && begun()) {
			returning = true;
			await moved(at - to);
			returning = false;
			if (asking)
				return;
			asking = true;
			if (await mayLeave())
				history.go(to - at);
			asking = false;
			return;
		}
		at = to;
		keep({});
		show();
	});
	window.addEventListener("beforeunload", (e) => {
		if (begun())
			e.preventDefault();
	});
}
