/* SPDX-License-Identifier: Apache-2.0 */
/* main.js - the frame around all pages: sign-in, navigation, which page the address names. */
import { key, signIn, signOut } from "./api.js";
import { button, dialog, h, replace, toast, visit } from "./dom.js";
import { alarms } from "./alarms.js";
import { audit } from "./audit.js";
import { exports, invoices } from "./bills.js";
import { calls } from "./calls.js";
import { carriers } from "./carriers.js";
import { cdrs } from "./cdrs.js";
import { decks } from "./decks.js";
import { exchange } from "./exchange.js";
import { exportOptions } from "./exportoptions.js";
import { keys } from "./keys.js";
import { adjustments, ledger, payments } from "./ledger.js";
import { keep, mayLeave, watch } from "./leaving.js";
import { lengths } from "./lengths.js";
import { lists } from "./lists.js";
import { nodes } from "./nodes.js";
import { overview } from "./overview.js";
import { plans } from "./plans.js";
import { learn, me, offers } from "./rights.js";
import { senders } from "./senders.js";
import { simulator } from "./simulator.js";
import { statistics } from "./statistics.js";
import { trunks } from "./trunks.js";
import { fromInput, inUtc, toInput, useUtc, zone } from "./values.js";
import { vendors } from "./vendors.js";

/* [path, title, page]; a key's menu has those that it may read */
const PAGES = [
	["Watch", [["overview", "Dashboard", overview], ["calls", "Live calls", calls], ["cdrs", "CDRs", cdrs], ["statistics", "Statistics", statistics], ["vendors", "Vendors", vendors], ["alarms", "Alarms", alarms],
		["nodes", "Nodes", nodes]]],
	["Configure", [["carriers", "Carriers", carriers], ["trunks", "Trunks", trunks], ["rate-decks", "Rate decks", decks], ["routing-plans", "Routing plans", plans], ["number-lists", "Number lists", lists],
		["number-lengths", "Number lengths", lengths],
		["exchange-rates", "Exchange rates", exchange], ["simulator", "Route simulator", simulator]]],
	["Settle", [["payments", "Payments", payments], ["adjustments", "Adjustments", adjustments], ["ledger", "Ledger", ledger], ["invoices", "Invoices", invoices], ["invoice-senders", "Invoice senders", senders], ["exports", "Exports", exports], ["export-options", "Export options", exportOptions]]],
	["Administer", [["api-keys", "API keys", keys], ["audit", "Audit log", audit]]],
];
const SLOW_MS = 300;
const app = document.getElementById("app");
let leaving = new AbortController(); /* aborts when the page is left */
let pages = []; /* that this key may see: [group, [[path, title, page]]] */
let place, shown;

/* ---- theme: the system's unless chosen ---- */

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => localStorage.getItem("tandem.theme") || (dark.matches ? "dark" : "light");
function paint() {
	document.documentElement.dataset.theme = theme();
}
function toggleTheme() {
	localStorage.setItem("tandem.theme", theme() === "dark" ? "light" : "dark");
	paint();
	if (place?.querySelector("canvas")) /* plots are drawn in the theme's colours; a form's input would be lost */
		show();
}

/* ---- sign-in ---- */

async function enter() {
	await learn();
	pages = PAGES.map(([title, list]) => [title, list.filter(([path]) => offers(`#/${path}`))]).filter(([, list]) => list.length);
	frame();
}

/* tried - sign in with what was typed: true, or false after a word in `fault` */
async function tried(field, fault, then) {
	signIn(field.value.trim());
	try {
		await then();
		return true;
	} catch (problem) {
		signOut();
		replace(fault, problem.status === 401 ? "This key is not known here." : problem.message);
		field.select();
		return false;
	}
}

function signInPage(text = "") {
	leaving.abort();
	place = shown = undefined;
	document.title = "Sign in · tandem";
	const fault = h("p", { class: "fault", role: "alert" }, text);
	const field = h("input", { id: "key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
	const submit = async (e) => {
		e.preventDefault();
		if (await tried(field, fault, enter))
			await show();
	};
	replace(app, h("main", { class: "sign-in" }, h("form", { class: "panel", onsubmit: submit }, h("img", { src: "/console/icon.svg", alt: "", width: "48", height: "48" }), h("h1", {}, "tandem"),
		h("label", { for: "key" }, "API key"), field, fault, h("button", { class: "primary" }, "Sign in"),
		h("p", { class: "about" }, "Make a key with ", h("code", {}, "tandem apikey create --name NAME --role ROLE"), ". It stays in this tab until you sign out or close it."))));
	field.focus();
}

let asking = false;
/* The key was revoked, or is no longer good: what is on the page, a form half filled in, waits for the next one. */
async function signInAgain() {
	if (asking || !place)
		return;
	asking = true;
	const before = me();
	const again = await dialog((done) => {
		const fault = h("p", { class: "fault", role: "alert" });
		const field = h("input", { id: "key-again", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
		const submit = async (e) => {
			e.preventDefault();
			if (await tried(field, fault, learn))
				done(true);
		};
		return { text: "Your key is no longer good", content: h("form", { onsubmit: submit }, h("p", {}, "Sign in again to go on where you are; what you have typed stays."), h("label", { for: "key-again" }, "API key"), field, fault,
			h("div", { class: "actions" }, button("Sign out", () => done(false)), h("button", { class: "primary" }, "Sign in"))) };
	});
	asking = false;
	if (!again) {
		signOut();
		return signInPage();
	}
	toast("Signed in again.", "good");
	document.querySelector(".who").textContent = who();
	if (before && (before.role !== me().role || before.carrier_id !== me().carrier_id)) {
		shown = undefined;
		await enter();
	}
	if (!place.querySelector("form.schema") || place.dataset.page !== location.hash.slice(2))
		await show();
}

/* ---- frame ---- */

function zoneButton() {
	const words = () => [h("span", { class: "wide-only" }, "Times: "), zone()];
	const b = button(words(), () => {
		const inputs = [...place.querySelectorAll("[type=datetime-local]")].map((e) => [e, ...[e.value, e.defaultValue].map((v) => v && fromInput(v))]);
		useUtc(!inUtc());
		replace(b, words());
		for (const [e, value, before] of inputs) { /* the same moments, in the other zone */
			e.defaultValue = toInput(before);
			e.value = toInput(value);
		}
		if (!place.querySelector("form.schema"))
			show();
	}, "quiet");
	b.title = "Times in this browser's zone, or in UTC";
	return b;
}

const who = () => `${me().name} · ${me().role}`;

function frame() {
	place = h("main", { id: "place", tabindex: "-1" });
	const nav = h("nav", { id: "nav", "aria-label": "Pages" }, h("div", {}, pages.map(([title, list]) => [h("h2", {}, title),
		h("ul", {}, list.map(([path, text]) => h("li", {}, h("a", { href: `#/${path}`, "data-page": path }, text))))])));
	const menu = button("Menu", () => menu.setAttribute("aria-expanded", String(document.body.classList.toggle("menu"))), "menu-button");
	menu.setAttribute("aria-controls", "nav");
	menu.setAttribute("aria-expanded", "false");
	const home = `#/${pages[0][1][0][0]}`;
	replace(app, h("a", { class: "skip", href: "#place", onclick: (e) => (e.preventDefault(), place.focus()) }, "To the content"),
		h("header", { class: "top" }, menu, h("a", { class: "brand", href: home }, h("img", { src: "/console/icon.svg", alt: "", width: "22", height: "22" }), "tandem"),
			h("div", { class: "actions" }, h("span", { class: "who wide-only", title: "Who is signed in, and with which role" }, who()), zoneButton(), button("Theme", toggleTheme, "quiet"), button("Sign out", async () => {
				if (!(await mayLeave()))
					return;
				signOut();
				signInPage();
			}, "quiet"))),
		nav, place, h("div", { id: "toasts" }));
}

function closeMenu() {
	document.body.classList.remove("menu");
	document.querySelector(".menu-button")?.setAttribute("aria-expanded", "false");
}

/* What had the focus, by what it is called: after a page was drawn again with other filters it has it once more. */
function focusKept() {
	const e = document.activeElement;
	const words = e && place?.contains(e) && (e.id ? `#${CSS.escape(e.id)}` : e.name ? `[name="${CSS.escape(e.name)}"]` : e.matches(".filters button.primary") ? ".filters button.primary" : null);
	return () => words && place.querySelector(words)?.focus();
}

function failed(own, e) {
	const title = { 404: "There is no such thing here", 403: "Your key may not do this" }[e.status] ?? "This page can't be shown";
	replace(own, h("div", { class: "panel problem" }, h("h1", {}, title), h("p", { role: "alert" }, e.message),
		h("div", { class: "actions" }, e.status === 403 ? null : button("Try again", show, "primary"), button("Back", () => history.back()))));
}

function settle(page, own, refocus) {
	replace(place, own);
	place.dataset.page = location.hash.slice(2);
	place.removeAttribute("aria-busy");
	if (shown === page)
		refocus();
	else if (shown)
		place.focus({ preventScroll: true }); /* so that Tab goes on in the new page, and its title is read out */
	shown = page;
	scrollTo(0, history.state?.y ?? 0);
}

/* The frame, or why there is none yet. */
async function entered() {
	try {
		await enter();
		return true;
	} catch (e) {
		if (e.status === 401)
			signInPage("The key is no longer good. Sign in again.");
		else
			replace(app, h("main", { class: "sign-in" }, h("div", { class: "panel problem" }, h("h1", {}, "The console can't be shown"), h("p", { role: "alert" }, e.message), button("Try again", show, "primary"))));
		return false;
	}
}

/* A part of the address; what is no escape stays as it is. */
function decoded(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

async function show() {
	if (asking)
		return;
	if (!key())
		return signInPage();
	leaving.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	if (!place && !(await entered()))
		return;
	const [path, search = ""] = (location.hash.slice(2) || pages[0][1][0][0]).split("?");
	const [page, ...rest] = path.split("/").map(decoded);
	const found = PAGES.flatMap(([, list]) => list).find(([name]) => name === page);
	const refocus = focusKept();
	const own = h("div", { class: "page" });
	const slow = setTimeout(() => {
		place.setAttribute("aria-busy", "true");
		if (shown !== path)
			replace(place, h("p", { class: "loading", role: "status" }, "Loading…"));
	}, SLOW_MS);
	signal.addEventListener("abort", () => clearTimeout(slow));
	closeMenu();
	document.querySelectorAll("nav a").forEach((a) => (a.dataset.page === page ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current")));
	try {
		if (!found || rest.some((part) => part === "." || part === ".." || /[/?#]/.test(part)))
			throw Object.assign(new Error("There is no page with this address."), { status: 404 });
		if (!offers(location.hash || `#/${page}`))
			throw Object.assign(new Error(`“${me().name}” is a key ${me().carrier_id === null ? `with the role ${me().role}` : "of one carrier"}.`), { status: 403 });
		await found[2](own, rest, Object.fromEntries(new URLSearchParams(search)), signal);
	} catch (e) {
		if (!signal.aborted)
			failed(own, e);
	}
	clearTimeout(slow);
	if (signal.aborted || !place)
		return;
	settle(path, own, refocus);
	const title = own.querySelector("h1")?.firstChild?.textContent ?? found?.[1];
	document.title = title ? `${title} · tandem` : "tandem";
}

const start = () => show();

/* Where the page was scrolled to belongs to its entry in the history: Back finds it again. */
history.scrollRestoration = "manual";
let scrolled;
window.addEventListener("scroll", () => {
	clearTimeout(scrolled);
	scrolled = setTimeout(() => keep({ y: scrollY }), 150);
}, { passive: true });
watch(() => {
	clearTimeout(scrolled);
	start();
});
/* A link out of a form that was begun is asked about; the address that is shown already is read again. */
document.addEventListener("click", async (e) => {
	const href = e.target.closest?.("a[href^='#/']")?.getAttribute("href");
	if (!href || e.defaultPrevented || e.ctrlKey || e.metaKey || e.shiftKey || e.button)
		return;
	if (place?.querySelector("form[data-touched]")) {
		e.preventDefault();
		if (await mayLeave())
			visit(href);
	} else if (href === location.hash) {
		e.preventDefault();
		visit(href);
	}
});
window.addEventListener("keydown", (e) => {
	if (e.key === "Escape" && document.body.classList.contains("menu")) {
		closeMenu();
		document.querySelector(".menu-button").focus();
	}
});
window.addEventListener("tandem:signed-out", signInAgain);
paint();
dark.addEventListener("change", paint);
start();
