// SPDX-License-Identifier: Apache-2.0
// looks.mjs - what holds on every page: it fits its window, can be read (contrast), each control has a name, and the focus is
// seen. Each function runs in the page and returns what is wrong, as texts.

/* Wider than the window? */
export const tooWide = () => {
	const most = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth <= most)
		return [];
	const wide = [...document.querySelectorAll("#place *, header *")].filter((e) => e.getBoundingClientRect().right > most + 1 && !e.closest(".scroll, .plot"));
	return [`${document.documentElement.scrollWidth} px of ${most}: ${wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 90)).join(" | ")}`];
};

/* Text that has less contrast to what lies under it than WCAG 2.2 AA asks for. */
export const unreadable = () => {
	const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
	const rgba = (colour) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = colour;
		canvas.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
		return [r, g, b, a / 255];
	};
	const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
	const ground = (e) => {
		const layers = [];
		for (let x = e; x; x = x.parentElement)
			layers.push(rgba(getComputedStyle(x).backgroundColor));
		return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
	};
	const light = (c) => {
		const [r, g, b] = c.map((v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const wrong = new Map();
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data.trim()).join("");
		const style = getComputedStyle(e);
		if (!own || e.closest("[disabled], [hidden], svg, option, script, noscript") || style.visibility === "hidden" || !e.checkVisibility() || e.closest(".unseen, .skip"))
			continue;
		const under = ground(e);
		const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
		const size = parseFloat(style.fontSize);
		const needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < needed)
			wrong.set(`${e.tagName}.${e.className}`, `“${own.slice(0, 30)}” (${e.tagName.toLowerCase()}.${e.className}) has ${ratio.toFixed(2)}`);
	}
	return [...wrong.values()];
};

/* Controls and pictures that a screen reader has no name for, ids that stand twice, headings that leave a level out. */
export const unnamed = () => {
	const text = (e) => (e?.textContent || "").trim();
	const said = (label) => { // without what the control in it says
		const copy = label.cloneNode(true);
		copy.querySelectorAll("select, textarea, button").forEach((x) => x.remove());
		return text(copy);
	};
	const named = (e) => e.getAttribute("aria-label") || (e.getAttribute("aria-labelledby") || "").split(" ").some((id) => text(document.getElementById(id))) || [...(e.labels || [])].some(said)
		|| (e.matches("a, button, summary, th") && text(e)) || e.title || e.alt;
	const wrong = [...document.querySelectorAll("a, button, input, select, textarea, summary, canvas, svg, progress, dialog, nav, [role=region], [role=group], [role=img], th")]
		.filter((e) => e.checkVisibility() && !e.closest("[aria-hidden=true]") && !named(e)).map((e) => `no name: ${e.outerHTML.slice(0, 100)}`);
	const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
	wrong.push(...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `the id ${id} stands twice`));
	if (document.querySelectorAll("h1").length !== 1)
		wrong.push(`${document.querySelectorAll("h1").length} titles`);
	const described = [...document.querySelectorAll("[aria-describedby]")].flatMap((e) => e.getAttribute("aria-describedby").split(" "));
	wrong.push(...described.filter((id) => !document.getElementById(id)).map((id) => `aria-describedby names ${id}, which is not there`));
	return wrong;
};

/* Tables whose header cells don't say what they head, what moves although the system asks for no motion, an order of Tab that is
 * not that of the page, values that slipped through. */
export const unmarked = () => {
	const wrong = [...document.querySelectorAll("th")].filter((e) => !["col", "row"].includes(e.getAttribute("scope"))).map((e) => `no scope: ${e.outerHTML.slice(0, 80)}`);
	wrong.push(...[...document.querySelectorAll("table")].filter((e) => !e.querySelector("th")).map((e) => `no header: ${e.outerHTML.slice(0, 80)}`));
	wrong.push(...[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && [getComputedStyle(e).transitionDuration, getComputedStyle(e).animationDuration].some((t) => t.split(",").some((d) => parseFloat(d) > 0)))
		.map((e) => `moves: ${e.outerHTML.slice(0, 80)}`));
	wrong.push(...(document.body.innerText.match(/.{0,30}\b(undefined|NaN|null|\[object \w+\]|Invalid Date)\b.{0,20}/g) ?? []).map((t) => `not for people: ${t}`));
	wrong.push(...[...document.querySelectorAll("[tabindex]")].filter((e) => e.tabIndex > 0).map((e) => `an order of its own: ${e.outerHTML.slice(0, 80)}`));
	return wrong;
};

/* Plots whose dates run into each other. */
export const crowded = () => [...document.querySelectorAll("canvas")].filter((c) => {
	const { x } = window.Chart.getChart(c).scales;
	const ink = c.getContext("2d");
	ink.font = "12px system-ui, 'DejaVu Sans', sans-serif";
	return x.ticks.slice(1).some((t, i) => x.getPixelForTick(i + 1) - x.getPixelForTick(i) < ink.measureText(t.label).width + 4);
}).map((c) => `dates run into each other: ${c.getAttribute("aria-label")}`);

/* Where the focus is now, and whether it can be seen: {at, seen}. */
export const focus = () => {
	const e = document.activeElement;
	const style = getComputedStyle(e);
	const box = e.getBoundingClientRect();
	const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.height > 0;
	return { at: e === document.body ? "" : `${e.tagName.toLowerCase()} ${(e.getAttribute("aria-label") || e.textContent || e.name || e.id || "").trim().slice(0, 40)}`, page: e.dataset?.page, seen };
};
