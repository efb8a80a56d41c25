/* SPDX-License-Identifier: Apache-2.0 */
/* main.js - the frame around all pages: sign-in, navigation, which page the address names. */
import { get, key, signIn, signOut } from "./api.js";
import { button, h, replace } from "./dom.js";
import { audit } from "./audit.js";
import { exports, invoices } from "./bills.js";
import { calls } from "./calls.js";
import { carriers } from "./carriers.js";
import { cdrs } from "./cdrs.js";
import { decks } from "./decks.js";
import { overview } from "./overview.js";
import { plans } from "./plans.js";
import { simulator } from "./simulator.js";
import { trunks } from "./trunks.js";

const PAGES = [
	["Watch", [["overview", "Dashboard", overview], ["calls", "Live calls", calls], ["cdrs", "CDRs", cdrs]]],
	["Configure", [["carriers", "Carriers", carriers], ["trunks", "Trunks", trunks], ["rate-decks", "Rate decks", decks], ["routing-plans", "Routing plans", plans],
		["simulator", "Route simulator", simulator]]],
	["Settle", [["invoices", "Invoices", invoices], ["exports", "Exports", exports], ["audit", "Audit log", audit]]],
];
const app = document.getElementById("app");
let leaving = new AbortController(); /* aborts when the page is left */
let place;

/* ---- theme: the system's unless chosen ---- */

const theme = () => localStorage.getItem("tandem.theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
function paint() {
	document.documentElement.dataset.theme = theme();
}
function toggleTheme() {
	localStorage.setItem("tandem.theme", theme() === "dark" ? "light" : "dark");
	paint();
	show();
}

/* ---- sign-in ---- */

function signInPage(text = "") {
	leaving.abort();
	place = undefined;
	const fault = h("p", { class: "fault", role: "alert" }, text);
	const field = h("input", { id: "key", type: "password", required: true, autocomplete: "current-password", spellcheck: "false" });
	const submit = async (e) => {
		e.preventDefault();
		signIn(field.value.trim());
		try {
			await get("/v1/carriers", { limit: 1 });
			frame();
			await show();
		} catch (problem) {
			signOut();
			replace(fault, problem.status === 401 ? "This key is not known here." : problem.message);
		}
	};
	replace(app, h("main", { class: "sign-in" }, h("form", { class: "panel", onsubmit: submit }, h("img", { src: "/console/icon.svg", alt: "", width: "48", height: "48" }), h("h1", {}, "tandem"),
		h("label", { for: "key" }, "API key"), field, fault, h("button", { class: "primary" }, "Sign in"),
		h("p", { class: "about" }, "Make a key with ", h("code", {}, "tandem apikey create"), ". It stays in this tab."))));
	field.focus();
}

/* ---- frame ---- */

function frame() {
	place = h("main", { id: "place", tabindex: "-1" });
	const nav = h("nav", { id: "nav", "aria-label": "Pages" }, PAGES.map(([title, pages]) => [h("h2", {}, title),
		h("ul", {}, pages.map(([path, text]) => h("li", {}, h("a", { href: `#/${path}`, "data-page": path }, text))))]));
	const menu = button("Menu", () => menu.setAttribute("aria-expanded", String(document.body.classList.toggle("menu"))), "menu-button");
	menu.setAttribute("aria-controls", "nav");
	menu.setAttribute("aria-expanded", "false");
	replace(app, h("a", { class: "skip", href: "#place", onclick: (e) => (e.preventDefault(), place.focus()) }, "To the content"),
		h("header", { class: "top" }, menu, h("a", { class: "brand", href: "#/overview" }, h("img", { src: "/console/icon.svg", alt: "", width: "22", height: "22" }), "tandem"),
			h("div", { class: "actions" }, button("Light / dark", toggleTheme, "quiet"), button("Sign out", () => {
				signOut();
				signInPage();
			}, "quiet"))),
		nav, place, h("div", { id: "toasts" }));
}

async function show() {
	if (!key())
		return signInPage();
	if (!place)
		frame();
	const [path, search = ""] = (location.hash.slice(2) || "overview").split("?");
	const [page, ...rest] = path.split("/").map(decodeURIComponent);
	const found = PAGES.flatMap(([, pages]) => pages).find(([name]) => name === page);
	leaving.abort();
	leaving = new AbortController();
	const { signal } = leaving;
	document.body.classList.remove("menu");
	document.querySelectorAll("nav a").forEach((a) => (a.dataset.page === page ? a.setAttribute("aria-current", "page") : a.removeAttribute("aria-current")));
	document.title = found ? `${found[1]} · tandem` : "tandem";
	const own = h("div", { class: "page" });
	try {
		if (!found)
			throw new Error("There is no such page.");
		await found[2](own, rest, Object.fromEntries(new URLSearchParams(search)), signal);
	} catch (e) {
		if (signal.aborted)
			return;
		replace(own, h("div", { class: "panel" }, h("h1", {}, "This page can't be shown"), h("p", { role: "alert" }, e.message)));
	}
	if (!signal.aborted && place)
		replace(place, own);
}

window.addEventListener("hashchange", show);
window.addEventListener("tandem:signed-out", () => place && signInPage("The key is no longer good. Sign in again."));
paint();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
show();
