/* SPDX-License-Identifier: Apache-2.0 */
/* follow.js - what happens as it happens: the stream of calls' events, joined again whenever it ends, and a word that says so. */
import { events } from "./api.js";
import { h, replace } from "./dom.js";

const AGAIN_MS = [1000, 2000, 5000, 10000]; /* between tries */

/* following - the word: "live", or why not; read out when it changes */
export const following = () => h("span", { class: "following", role: "status" }, h("span", { class: "badge" }, "joining…"));

function say(word, text, kind, about) {
	if (word.textContent !== text)
		replace(word, h("span", { class: `badge ${kind}`, title: about }, text));
}

/* follow - on(event, call) for each event; read() is awaited after each time the stream was joined, for what was missed. Until
 * the signal aborts. */
export async function follow(read, signal, word, on) {
	for (let failures = 0; !signal.aborted; failures++) {
		const ended = new AbortController();
		try {
			await events("/v1/calls/events", AbortSignal.any([signal, ended.signal]), on, async () => {
				await read();
				failures = 0;
				say(word, "live", "good", "Followed as it happens");
			});
			say(word, "reconnecting…", "warn", "The server ended the stream");
		} catch (e) {
			ended.abort(); /* a stream that could not be read from */
			if (signal.aborted)
				return;
			say(word, "not live: reconnecting…", "bad", e.message);
		}
		await new Promise((r) => setTimeout(r, AGAIN_MS[Math.min(failures, AGAIN_MS.length - 1)]));
	}
}
