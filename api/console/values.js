/* SPDX-License-Identifier: Apache-2.0 */
/* values.js - values of the API as people read them. Money never goes through a float. */

export const NONE = "–";

const pad = (n, width = 2) => String(n).padStart(width, "0");
const absent = (v) => v === null || v === undefined || v === "";

/* ---- times: in the browser's zone, or in UTC if that was chosen ---- */

const ZONE = "tandem.zone";

export const inUtc = () => localStorage.getItem(ZONE) === "utc";
export const useUtc = (yes) => localStorage.setItem(ZONE, yes ? "utc" : "local");

/* A Date whose UTC parts are the parts to show. */
const shifted = (date) => (inUtc() ? date : new Date(date.getTime() - date.getTimezoneOffset() * 60000));

/* zone - "UTC+01:00": the offset in force at that time */
export function zone(text = Date.now()) {
	const minutes = inUtc() ? 0 : -new Date(text).getTimezoneOffset();
	if (!minutes)
		return "UTC";
	const size = Math.abs(minutes);
	return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}
export function clock(text, millis = false) {
	return shifted(new Date(text)).toISOString().slice(11, millis ? 23 : 19);
}
export function time(text, millis = false) {
	return absent(text) ? NONE : `${shifted(new Date(text)).toISOString().slice(0, 10)} ${clock(text, millis)}`;
}
/* toInput, fromInput - a time as <input type="datetime-local"> has it, and back */
export const toInput = (text) => (absent(text) ? "" : shifted(new Date(text)).toISOString().slice(0, 19));
export const fromInput = (text) => new Date(inUtc() ? `${text}Z` : text).toISOString();

export function ago(text) {
	const s = Math.max(0, Math.round((Date.now() - Date.parse(text)) / 1000));
	if (s < 60)
		return `${s} s ago`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ago`;
	return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} days ago`;
}

/* ---- numbers ---- */

export function seconds(n) {
	if (absent(n))
		return NONE;
	const whole = Math.max(0, Math.floor(n));
	const hours = Math.floor(whole / 3600);
	return (hours ? `${hours}:${pad(Math.floor((whole % 3600) / 60))}` : `${Math.floor(whole / 60)}`) + `:${pad(whole % 60)}`;
}
/* talk - a mean duration, with its unit: "0.8 s", "4:05 min" */
export const talk = (n) => (absent(n) ? NONE : n < 60 ? `${n.toFixed(1)} s` : `${seconds(n)} ${n < 3600 ? "min" : "h"}`);
export const millis = (n) => (absent(n) ? NONE : n < 1000 ? `${n} ms` : `${(n / 1000).toFixed(n < 10000 ? 2 : 1)} s`);
export const percent = (n) => (absent(n) ? NONE : `${n.toFixed(1)} %`);
export const count = (n) => (absent(n) ? NONE : Number(n).toLocaleString("en"));
export function bytes(n) {
	if (absent(n))
		return NONE;
	return n < 1024 ? `${n} B` : n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;
}

/* decimal - a decimal as sent: thousands set apart, at least `places` decimals, no digit lost */
export function decimal(text, places = 2) {
	if (absent(text))
		return NONE;
	const [, sign, whole, fraction = ""] = /^(-?)(\d+)(?:\.(\d*))?$/.exec(String(text)) || [];
	if (whole === undefined)
		return String(text);
	const kept = fraction.replace(/0+$/, "").padEnd(places, "0");
	return `${sign ? "−" : ""}${whole.replace(/\B(?=(\d{3})+$)/g, ",")}${kept ? "." + kept : ""}`;
}
export const money = (text, currency, places = 4) => (absent(text) ? NONE : decimal(text, places) + (currency ? ` ${currency}` : ""));

const SCALE = 12;
function units(text) {
	const [whole, fraction = ""] = String(text).replace("-", "").split(".");
	return BigInt(whole + fraction.padEnd(SCALE, "0").slice(0, SCALE)) * (String(text).startsWith("-") ? -1n : 1n);
}
function fromUnits(n) {
	const text = (n < 0n ? -n : n).toString().padStart(SCALE + 1, "0");
	return `${n < 0n ? "-" : ""}${text.slice(0, -SCALE)}.${text.slice(-SCALE)}`;
}
/* difference, sum, compare - of decimals in strings, exact (to 12 decimals, which no amount exceeds) */
export const difference = (a, b) => fromUnits(units(a) - units(b));
export const sum = (texts) => fromUnits(texts.reduce((n, t) => n + units(t), 0n));
/* product - rounded towards zero at 12 decimals */
export const product = (a, b) => fromUnits((units(a) * units(b)) / 10n ** BigInt(SCALE));
export const compare = (a, b) => (units(a) < units(b) ? -1 : units(a) > units(b) ? 1 : 0);

/* ---- words ---- */

export const word = (text) => (absent(text) ? NONE : String(text).replaceAll("_", " "));

const WORDS = { id: "ID", cps: "CPS", cidrs: "networks", pai: "P-Asserted-Identity", ip: "IP", sip: "SIP", q850: "Q.850", lrn: "LRN", url: "URL" };
const NAMES = { carrier_id: "Carrier", trunk_id: "Trunk", rate_deck_id: "Rate deck", routing_plan_id: "Routing plan", trunk_ids: "Trunks", carrier_ids: "Carriers",
	max_channels: "Channels at most", max_cps: "Calls a second at most", min_margin_percent: "Least margin, %", min_margin: "Least margin a minute", code_map: "Codes shown otherwise",
	stop_codes: "Codes that end the hunt", max_attempts: "Attempts at most", max_duration: "Longest call", max_redirects: "Redirects followed", trust_pai: "Trust P-Asserted-Identity",
	p_asserted_identity: "P-Asserted-Identity", remote_party_id: "Remote-Party-ID", history_info: "History-Info", identity: "What becomes of them", pass_headers: "Other headers that cross",
	allow_refer: "Transfers by REFER",
	listen: "Listener", resource_id: "Object" };

/* label - a field's name for people: "max_cps" is "Calls a second at most" */
export function label(field) {
	if (NAMES[field])
		return NAMES[field];
	const text = field.split("_").map((w) => WORDS[w] ?? w).join(" ");
	return text[0].toUpperCase() + text.slice(1);
}
