/* SPDX-License-Identifier: Apache-2.0 */
/* api.js - the REST API. The key stays in this tab's sessionStorage and goes nowhere but to this server. */

const KEY = "tandem.key";
const SILENCE_MS = 40000; /* of events */
const ANSWER_MS = 60000; /* nobody waits longer for what is read */

const MEANT = { 0: "The server does not answer. Is tandem-apid running, and can this browser reach it?", 403: "Your key's role may not do this.",
	412: "Somebody else changed it since you opened it." };

export class ApiError extends Error {
	/* problem: application/problem+json as sent; status 0: no answer came */
	constructor(status, problem) {
		super(MEANT[status] ?? problem.detail ?? problem.title ?? `The server answered ${status}.`);
		this.status = status;
		this.fields = problem.errors || [];
	}
}

export const key = () => sessionStorage.getItem(KEY);
export const signIn = (text) => sessionStorage.setItem(KEY, text);
export const signOut = () => sessionStorage.removeItem(KEY);

/* request - the Response of an answer below 400; anything else is thrown as ApiError. A key that is no longer good is
 * forgotten and the page told by the event "tandem:signed-out"; until there is a new one, nothing is asked. */
export async function request(method, path, { body, type = "application/json", signal, headers: more = {} } = {}) {
	if (!key())
		throw new ApiError(401, { title: "You are not signed in." });
	const headers = { Authorization: `Bearer ${key()}`, ...more };
	if (body !== undefined)
		headers["Content-Type"] = type;
	let answer;
	try {
		answer = await fetch(path, { method, headers, body: type === "application/json" && body !== undefined ? JSON.stringify(body) : body, signal });
	} catch (e) {
		if (signal?.aborted && e.name !== "TimeoutError")
			throw e;
		throw new ApiError(0, {});
	}
	if (answer.ok)
		return answer;
	if (answer.status === 401 && headers.Authorization === `Bearer ${key()}`) { /* and not one that was exchanged meanwhile */
		signOut();
		window.dispatchEvent(new Event("tandem:signed-out"));
	}
	throw new ApiError(answer.status, await answer.json().catch(() => ({ title: answer.statusText })));
}

export async function get(path, query = {}, signal) {
	const limit = AbortSignal.timeout(ANSWER_MS);
	return (await request("GET", path + search(query), { signal: signal ? AbortSignal.any([signal, limit]) : limit })).json();
}
/* post - once: an Idempotency-Key; the same one again, after an answer that was lost, does nothing twice */
export async function post(path, body, once) {
	const answer = await request("POST", path, { body, headers: once ? { "Idempotency-Key": once } : {} });
	return answer.status === 204 ? null : answer.json();
}
/* patch - version: of the object as it was read; a change made meanwhile by somebody else is not overwritten */
export async function patch(path, body, version) {
	return (await request("PATCH", path, { body, headers: version ? { "If-Match": `"${version}"` } : {} })).json();
}
export async function remove(path) {
	await request("DELETE", path);
}

/* anyKey - for post's once. randomUUID() is not there over plain HTTP. */
export const anyKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

/* search - "?a=1" of what has a value */
export function search(query) {
	const pairs = Object.entries(query).filter(([, v]) => v !== undefined && v !== null && v !== "");
	return pairs.length ? "?" + new URLSearchParams(pairs) : "";
}

/* all - every item of a list, page after page */
export async function all(path, query = {}, signal = undefined) {
	const items = [];
	let cursor = null;
	do {
		const page = await get(path, { ...query, limit: 1000, cursor }, signal);
		items.push(...page.items);
		cursor = page.next_cursor;
	} while (cursor);
	return items;
}

/* download - a file of the API to the user's disk, by a link that carries no key */
export async function download(path, name) {
	const url = URL.createObjectURL(await (await request("GET", path)).blob());
	const link = Object.assign(document.createElement("a"), { href: url, download: name });
	link.click();
	URL.revokeObjectURL(url);
}

/* events - server-sent events, until the signal aborts or the stream ends. EventSource can't send the key. joined() is awaited
 * once the stream is there: what happens from then on is in it. The server says
 * something each 15 s; a longer silence is an end, too. */
export async function events(path, signal, on, joined) {
	const answer = await request("GET", path, { signal });
	await joined();
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
	let text = "";
	for (;;) {
		const silence = setTimeout(() => reader.cancel(), SILENCE_MS);
		const { value, done } = await reader.read().finally(() => clearTimeout(silence));
		if (done)
			return;
		text += value;
		const blocks = text.split("\n\n");
		text = blocks.pop();
		for (const block of blocks) {
			const field = (name) => block.split("\n").find((l) => l.startsWith(name + ": "))?.slice(name.length + 2);
			if (field("event"))
				on(field("event"), JSON.parse(field("data")));
		}
	}
}

let described;
/* description - of the API, by itself; read once */
export function description() {
	described ??= get("/openapi.json").catch((e) => {
		described = undefined;
		throw e;
	});
	return described;
}
/* schema - a component of it: what a form may ask for */
export const schema = async (name) => (await description()).components.schemas[name];
