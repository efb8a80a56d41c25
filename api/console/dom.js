/* SPDX-License-Identifier: Apache-2.0 */
/* dom.js - elements, and the small parts that pages are made of. Text is always set as text, never as HTML. */
import { offers } from "./rights.js";
import { NONE, ago, decimal, time, word, zone } from "./values.js";

const SVG = "http://www.w3.org/2000/svg";
const present = (c) => c !== null && c !== undefined && c !== false;

function fill(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes || {})) {
		if (name.startsWith("on"))
			node.addEventListener(name.slice(2), value);
		else if (name in node && typeof value !== "string" && !(node instanceof SVGElement))
			node[name] = value;
		else if (value !== false && value !== null && value !== undefined)
			node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.flat(Infinity).filter(present));
	return node;
}

/* h - an HTML element: h("a", {href: "#/calls", onclick: f}, "text", child); s - one of SVG */
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export function replace(node, ...children) {
	node.replaceChildren(...children.flat(Infinity).filter(present));
	return node;
}

/* ---- values as elements ---- */

/* when - a time with its zone and age as a hint; zoned: the zone is shown, too */
export const when = (text, { millis = false, zoned = false } = {}) =>
	text ? h("time", { datetime: text, title: `${time(text, true)} ${zone(text)}, ${ago(text)}` }, time(text, millis), zoned ? h("span", { class: "muted" }, ` ${zone(text)}`) : null) : NONE;

/* amount - money on which columns line up: six decimals, those beyond `places` that say nothing are faint */
export function amount(text, currency, places = 2) {
	if (text === null || text === undefined)
		return NONE;
	const shown = decimal(text, places);
	const fraction = shown.split(".")[1] ?? "";
	return h("span", { class: `amount ${String(text).startsWith("-") ? "negative" : ""}` }, shown, h("span", { class: "faint", "aria-hidden": "true" }, "0".repeat(Math.max(0, 6 - fraction.length))),
		currency ? h("span", { class: "unit" }, ` ${currency}`) : null);
}

export const badge = (text, kind = "") => h("span", { class: `badge ${kind}` }, word(text));
export const yes = (value, good = "good", bad = "") => badge(value ? "yes" : "no", value ? good : bad);
export const code = (n) => badge(n ?? "none", n >= 200 && n < 300 ? "good" : n >= 400 ? "bad" : "");

const copyIcon = () => s("svg", { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, s("rect", { x: 5.5, y: 5.5, width: 8, height: 8, rx: 1.5 }), s("path", { d: "M10.5 5.5v-2a1.5 1.5 0 0 0-1.5-1.5H4a1.5 1.5 0 0 0-1.5 1.5V9A1.5 1.5 0 0 0 4 10.5h1.5" }));

/* copyable - a text with a button that copies it */
export function copyable(text, what) {
	if (!text)
		return NONE;
	const copy = h("button", { type: "button", class: "copy", "aria-label": `Copy ${what}`, title: `Copy ${what}`, onclick: async () => {
		if (navigator.clipboard) {
			await navigator.clipboard.writeText(text);
		} else { /* not over TLS nor loopback */
			getSelection().selectAllChildren(value);
			document.execCommand("copy");
			getSelection().removeAllRanges();
		}
		toast(`Copied: ${text}`, "good");
	} }, copyIcon());
	const value = h("span", { class: "mono" }, text);
	return h("span", { class: "copyable" }, value, copy);
}

/* ---- parts of pages ---- */

export const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);
/* visit - the page at an address; the same one is read again */
export function visit(href) {
	if (location.hash === href)
		window.dispatchEvent(new HashChangeEvent("hashchange"));
	else
		location.hash = href;
}

/* to, link - a way to another page, as a button or in a text; null, or the text alone, where the key may not go */
export const to = (href, text, kind = "") => (offers(href) ? h("a", { class: `button ${kind}`, href }, text) : null);
export const link = (href, text, about) => (href && offers(href) ? h("a", { href, title: about }, text) : text);
export const panel = (title, ...content) => h("section", { class: "panel" }, title && h("h2", {}, title), content);

/* heading - the page's title, where it belongs ([text, address] or null), and what can be done here */
export const heading = (title, { under = null, note = null, actions = [] } = {}) => h("header", { class: "page-head" },
	h("div", {}, under && h("p", { class: "under" }, h("a", { href: under[1] }, `‹ ${under[0]}`)), h("h1", {}, title, note && h("span", { class: "note" }, note))), h("div", { class: "actions" }, actions));

/* empty - what stands where a list has nothing, and what to do about it: next is [text, address] or an element */
export const empty = (text, next) => h("div", { class: "empty" }, h("p", {}, text), Array.isArray(next) ? to(next[1], next[0]) : next);

/* facts - words and their values: [["Node", "sw1"], ...] */
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, value, about]) => h("div", { title: about }, h("dt", {}, name), h("dd", {}, value ?? NONE))));

export function tile(text, href) {
	const value = h("strong", {}, NONE);
	const node = h(href ? "a" : "div", { class: "tile", href }, h("span", {}, text), value);
	return { node, set: (t, kind = "") => (replace(value, t), (node.className = `tile ${kind}`)) };
}

/* toast - a word at the page's edge, read out by screen readers */
export function toast(text, kind = "") {
	const note = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
	document.getElementById("toasts").append(note);
	setTimeout(() => note.remove(), kind === "bad" ? 12000 : 5000);
}

/* attempt - run what may be refused; a refusal is shown. Returns undefined then. */
export async function attempt(what) {
	try {
		return await what();
	} catch (e) {
		if (e.name !== "AbortError")
			toast(e.message, "bad");
		return undefined;
	}
}

/* dialog - content over the page until `done` is called or Escape pressed; what opened it has the focus again afterwards.
 * make(done) gives the content. Resolves to what done was called with, undefined for Escape. */
export function dialog(make) {
	return new Promise((resolve) => {
		const done = (answer) => {
			box.close();
			box.remove();
			resolve(answer);
		};
		const title = h("h2", { id: "dialog-title" });
		const box = h("dialog", { "aria-labelledby": "dialog-title", oncancel: (e) => (e.preventDefault(), done(undefined)) }, title);
		const { text, content } = make(done);
		title.append(text);
		fill(box, {}, [content]);
		document.body.append(box);
		box.showModal();
	});
}

/* ask - a question before something that can't be undone. typed: a word that must be typed first, where much is at stake */
export async function ask(question, verb, detail, typed) {
	const answer = await dialog((done) => {
		const yes = button(verb, () => done(true), "danger filled");
		const field = typed && h("input", { id: "typed", autocomplete: "off", spellcheck: "false", oninput: () => (yes.disabled = field.value.trim() !== typed),
			onkeydown: (e) => e.key === "Enter" && !yes.disabled && done(true) });
		yes.disabled = Boolean(typed);
		return { text: question, content: [detail && h("p", {}, detail), field && h("div", { class: "typed" }, h("label", { for: "typed" }, "To go on, type ", h("b", {}, typed)), field),
			h("div", { class: "actions" }, button("Cancel", () => done(false)), yes)] };
	});
	return answer === true;
}
