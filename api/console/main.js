/* SPDX-License-Identifier: Apache-2.0 */
/* main.js - the frame around all pages: sign-in, navigation, which page the address names. */
import { get, isBound, key, signIn, signOut } from "./api.js";
import { button, h, replace } from "./dom.js";
import { alarms } from "./alarms.js";
import { audit } from "./audit.js";
import { exports, invoices } from "./bills.js";
import { calls } from "./calls.js";
import { carriers } from "./carriers.js";
import { cdrs } from "./cdrs.js";
import { decks } from "./decks.js";
import { exchange } from "./exchange.js";
import { keys } from "./keys.js";
import { ledger, payments } from "./ledger.js";
import { lengths } from "./lengths.js";
import { lists } from "./lists.js";
import { nodes } from "./nodes.js";
import { overview } from "./overview.js";
import { plans } from "./plans.js";
import { simulator } from "./simulator.js";
import { statistics } from "./statistics.js";
import { trunks } from "./trunks.js";
import { inUtc, useUtc, zone } from "./values.js";
import { vendors } from "./vendors.js";

/* [path, title, page]; * marks what a key bound to one carrier may see, too */
const PAGES = [
	["Watch", [["overview", "Dashboard", overview], ["calls", "Live calls", calls], ["cdrs*", "CDRs", cdrs], ["statistics", "Statistics", statistics], ["vendors", "Vendors", vendors], ["alarms", "Alarms", alarms],
		["nodes", "Nodes", nodes]]],
	["Configure", [["carriers*", "Carriers", carriers], ["trunks*", "Trunks", trunks], ["rate-decks*", "Rate decks", decks], ["routing-plans", "Routing plans", plans], ["number-lists", "Number lists", lists],
		["number-lengths", "Number lengths", lengths],
		["exchange-rates", "Exchange rates", exchange], ["simulator", "Route simulator", simulator]]],
	["Settle", [["payments*", "Payments", payments], ["ledger*", "Ledger", ledger], ["invoices*", "Invoices", invoices], ["exports", "Exports", exports]]],
	["Administer", [["api-keys", "API keys", keys], ["audit", "Audit log", audit]]],
];
const SLOW_MS = 300;
const app = document.getElementById("app");
let leaving = new AbortController(); /* aborts when the page is left */
let pages = []; /* that this key may see: [group, [[path, title, page]]] */
let place, shown, bound;

/* ---- theme: the system's unless chosen ---- */

const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => localStorage.getItem("tandem.theme") || (dark.matches ? "dark" : "light");
function paint() {
	document.documentElement.dataset.theme = theme();
}
function toggleTheme() {
	localStorage.setItem("tandem.theme", theme() === "dark" ? "light" : "dark");
	paint();
	show();
}

/* ---- sign-in ---- */

async function enter() {
	bound = await isBound();
	pages = PAGES.map(([title, list]) => [title, list.filter(([path]) => !bound || path.endsWith("*")).map(([path, ...rest]) => [path.replace("*", ""), ...rest])]).filter(([, list]) => list.length);
	frame();
}

function signInPage(text = "") {
	leaving.abort();
	place = shown = undefined;
	document.title = "Sign in · tandem";
	const fault = h("p", { class: "fault", role: "alert" }, text);
	const field = h("input", { id: "key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
	const submit = async (e) => {
		e.preventDefault();
		signIn(field.value.trim());
		try {
			await get("/v1/carriers", { limit: 1 });
			await enter();
			await show();
		} catch (problem) {
			signOut();
			replace(fault, problem.status === 401 ? "This key is not known here." : problem.message);
			field.select();
		}
	};
	replace(app, h("main", { class: "sign-in" }, h("form", { class: "panel", onsubmit: submit }, h("img", { src: "/console/icon.svg", alt: "", width: "48", height: "48" }), h("h1", {}, "tandem"),
		h("label", { for: "key" }, "API key"), field, fault, h("button", { class: "primary" }, "Sign in"),
		h("p", { class: "about" }, "Make a key with ", h("code", {}, "tandem apikey create --name NAME --role ROLE"), ". It stays in this tab until you sign out or close it."))));
	field.focus();
}

/* ---- frame ---- */

function zoneButton() {
	const words = () => [h("span", { class: "wide-only" }, "Times: "), zone()];
	const b = button(words(), () => {
		useUtc(!inUtc());
		replace(b, words());
		show();
	}, "quiet");
	b.title = "Times in this browser's zone, or in UTC";
	return b;
}

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
			h("div", { class: "actions" }, zoneButton(), button("Theme", toggleTheme, "quiet"), button("Sign out", () => {
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
	replace(own, h("div", { class: "panel problem" }, h("h1", {}, e.status === 404 ? "There is no such thing here" : "This page can't be shown"), h("p", { role: "alert" }, e.message),
		h("div", { class: "actions" }, button("Try again", show, "primary"), button("Back", () => history.back()))));
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

async function show() {
	if (!key())
		return signInPage();
	leaving.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	if (!place)
		await enter();
	const [path, search = ""] = (location.hash.slice(2) || pages[0][1][0][0]).split("?");
	const [page, ...rest] = path.split("/").map(decodeURIComponent);
	const found = pages.flatMap(([, list]) => list).find(([name]) => name === page);
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
		if (!found)
			throw Object.assign(new Error("There is no page with this address."), { status: 404 });
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

const start = () => show().catch((e) => signInPage(e.message));

/* Where the page was scrolled to belongs to its entry in the history: Back finds it again. */
history.scrollRestoration = "manual";
let scrolled;
window.addEventListener("scroll", () => {
	clearTimeout(scrolled);
	scrolled = setTimeout(() => history.replaceState({ y: scrollY }, ""), 150);
}, { passive: true });
window.addEventListener("hashchange", () => {
	clearTimeout(scrolled);
	start();
});
window.addEventListener("keydown", (e) => {
	if (e.key === "Escape" && document.body.classList.contains("menu")) {
		closeMenu();
		document.querySelector(".menu-button").focus();
	}
});
window.addEventListener("tandem:signed-out", () => place && signInPage("The key is no longer good. Sign in again."));
paint();
dark.addEventListener("change", paint);
start();
