/* SPDX-License-Identifier: Apache-2.0 */
/* dom.js - elements, and values as people read them. Text is always set as text, never as HTML. */

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes || {})) {
		if (name.startsWith("on"))
			node.addEventListener(name.slice(2), value);
		else if (name in node && typeof value !== "string" && !(node instanceof SVGElement))
			node[name] = value;
		else if (value !== false && value !== null && value !== undefined)
			node.setAttribute(name, value === true ? "" : value);
	}
	node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
	return node;
}

/* h - an HTML element: h("a", {href: "#/calls", onclick: f}, "text", child) */
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

export function replace(node, ...children) {
	node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
	return node;
}

/* ---- values ---- */

const pad = (n, width = 2) => String(n).padStart(width, "0");

export function time(text, millis = false) {
	if (!text)
		return "–";
	const d = new Date(text);
	const day = `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;
	return `${day} ${clock(text, millis)}`;
}
export function clock(text, millis = false) {
	const d = new Date(text);
	return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}` + (millis ? `.${pad(d.getMilliseconds(), 3)}` : "");
}
export function seconds(n) {
	if (n === null || n === undefined)
		return "–";
	const whole = Math.max(0, Math.floor(n));
	const hours = Math.floor(whole / 3600);
	return (hours ? `${hours}:${pad(Math.floor((whole % 3600) / 60))}` : `${Math.floor(whole / 60)}`) + `:${pad(whole % 60)}`;
}
export const millis = (n) => (n === null || n === undefined ? "–" : n < 1000 ? `${n} ms` : `${(n / 1000).toFixed(n < 10000 ? 2 : 1)} s`);
export const percent = (n) => (n === null || n === undefined ? "–" : `${n.toFixed(1)} %`);
export const count = (n) => (n === null || n === undefined ? "–" : Number(n).toLocaleString("en"));
/* money - a decimal as sent, without the zeros beyond four places; never through a float */
export function money(text, currency) {
	if (text === null || text === undefined)
		return "–";
	const [whole, fraction = ""] = String(text).split(".");
	const places = fraction.replace(/0+$/, "").padEnd(4, "0");
	return `${whole}.${places}` + (currency ? ` ${currency}` : "");
}
export const word = (text) => (text ? text.replaceAll("_", " ") : "–");

/* difference - a - b of two decimals in strings, exact */
export function difference(a, b) {
	const scale = 9;
	const units = (t) => {
		const [whole, fraction = ""] = String(t).replace("-", "").split(".");
		return BigInt(whole + fraction.padEnd(scale, "0").slice(0, scale)) * (String(t).startsWith("-") ? -1n : 1n);
	};
	const d = units(a) - units(b);
	const text = (d < 0n ? -d : d).toString().padStart(scale + 1, "0");
	return `${d < 0n ? "-" : ""}${text.slice(0, -scale)}.${text.slice(-scale)}`;
}

/* ---- small parts of pages ---- */

export const badge = (text, kind = "") => h("span", { class: `badge ${kind}` }, word(String(text)));
export const code = (n) => badge(n ?? "none", n >= 200 && n < 300 ? "good" : n >= 400 ? "bad" : "");
export const heading = (title, ...actions) => h("header", { class: "page-head" }, h("h1", {}, title), h("div", { class: "actions" }, actions));
export const panel = (title, ...content) => h("section", { class: "panel" }, title && h("h2", {}, title), content);
export const button = (text, onclick, kind = "") => h("button", { type: "button", class: kind, onclick }, text);
export const empty = (text) => h("p", { class: "empty" }, text);

/* facts - a list of words and their values: [["Node", "sw1"], ...] */
export const facts = (pairs) => h("dl", { class: "facts" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value ?? "–"))));

/* toast - a word at the page's edge, read out by screen readers */
export function toast(text, kind = "") {
	const note = h("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);
	document.getElementById("toasts").append(note);
	setTimeout(() => note.remove(), 6000);
}

/* attempt - run what may be refused; a refusal is shown. Returns undefined then. */
export async function attempt(what) {
	try {
		return await what();
	} catch (e) {
		toast(e.message, "bad");
		return undefined;
	}
}

/* ask - a question before something that can't be undone */
export function ask(question, verb) {
	return new Promise((resolve) => {
		const done = (answer) => () => {
			dialog.close();
			dialog.remove();
			resolve(answer);
		};
		const dialog = h("dialog", { class: "ask", oncancel: done(false) }, h("p", {}, question),
			h("div", { class: "actions" }, button("Cancel", done(false)), button(verb, done(true), "danger")));
		document.body.append(dialog);
		dialog.showModal();
	});
}
