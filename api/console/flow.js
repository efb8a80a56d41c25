/* SPDX-License-Identifier: Apache-2.0 */
/* flow.js - a call drawn as a ladder: customer, switch, each vendor tried, and what went between them, from the CDR and its
 * attempts. Steps stand in their order, evenly; the time since the INVITE stands beside each. */
import { h, s } from "./dom.js";

const WIDE = { left: 76, lane: 190, box: 164, letters: 22 };
const NARROW = { left: 46, lane: 112, box: 104, letters: 14 }; /* on a phone */
const PHONE_PX = 760;
const TOP = 54;
const STEP = 34;

function steps(cdr) {
	const list = [];
	const add = (at, from, to, text, kind = "") => at && list.push({ at: Date.parse(at), from, to, text, kind });
	add(cdr.started_at, 0, 1, "INVITE");
	cdr.attempts.forEach((a, i) => {
		const lane = i + 2;
		add(a.started_at, 1, lane, "INVITE");
		add(a.progress_at, lane, 1, "180 / 183");
		if (a.answered_at)
			add(a.answered_at, lane, 1, "200 OK", "good");
		else if (a.reason === "cancelled")
			add(a.ended_at, 1, lane, "CANCEL", "bad");
		else
			add(a.ended_at, lane, 1, a.reason === "no_response" ? "no response" : `${a.sip_code ?? ""} ${a.reason}`.trim(), "bad");
	});
	add(cdr.progress_at, 1, 0, "180 / 183");
	const last = cdr.attempts.length + 1;
	if (cdr.answered_at) {
		add(cdr.answered_at, 1, 0, "200 OK", "good");
		const fromCaller = cdr.hangup_party === "caller";
		const fromSwitch = cdr.hangup_party === "switch";
		const end = `BYE · ${cdr.disconnect_reason.replaceAll("_", " ")}`;
		if (fromSwitch) {
			add(cdr.ended_at, 1, 0, end, "bad");
			add(cdr.ended_at, 1, last, "BYE", "bad");
		} else {
			add(cdr.ended_at, fromCaller ? 0 : last, 1, fromCaller ? end : "BYE");
			add(cdr.ended_at, 1, fromCaller ? last : 0, fromCaller ? "BYE" : end);
		}
	} else if (cdr.disconnect_reason === "cancelled") {
		add(cdr.ended_at, 0, 1, "CANCEL", "bad");
		add(cdr.ended_at, 1, 0, "487", "bad");
	} else {
		add(cdr.ended_at, 1, 0, `${cdr.sip_code ?? ""} ${cdr.disconnect_reason.replaceAll("_", " ")}`.trim(), "bad");
	}
	return list.map((e, i) => ({ ...e, i })).sort((a, b) => a.at - b.at || a.i - b.i);
}

function arrow(e, n, begin, x, lane) {
	const y = TOP + 24 + n * STEP;
	const [a, b] = [x(e.from), x(e.to)];
	const tip = b > a ? -8 : 8;
	const ms = e.at - begin;
	return s("g", { class: `step ${e.kind}` },
		s("text", { x: 4, y: y + 4, class: "at" }, ms < 10000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`),
		s("line", { x1: a, y1: y, x2: b, y2: y }),
		s("path", { d: `M${b} ${y}l${tip} -5v10z` }),
		s("text", { x: Math.max(a, b) - lane / 2, y: y - 6, class: "said" }, e.text));
}

/* ladder - names: of the customer and of each attempt's vendor, in order */
export function ladder(cdr, customer, vendors) {
	const lanes = [customer, "tandem", ...vendors];
	const events = steps(cdr);
	const size = innerWidth <= PHONE_PX ? NARROW : WIDE;
	const x = (lane) => size.left + size.box / 2 + lane * size.lane;
	const width = x(lanes.length - 1) + size.box / 2 + 4;
	const height = TOP + 24 + events.length * STEP;
	const told = events.map((e) => `${lanes[e.from]} to ${lanes[e.to]}: ${e.text}`).join("; ");
	const cut = (t) => (t.length > size.letters ? t.slice(0, size.letters - 1) + "…" : t);
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Call flow" },
		s("svg", { class: "ladder", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": told },
			lanes.map((text, i) => s("g", { class: "lane" }, s("rect", { x: x(i) - size.box / 2, y: 8, width: size.box, height: 28, rx: 6 }),
				s("text", { x: x(i), y: 27 }, cut(text)), s("line", { x1: x(i), y1: 36, x2: x(i), y2: height }))),
			events.map((e, n) => arrow(e, n, events[0].at, x, size.lane))));
}
