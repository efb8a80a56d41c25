/* SPDX-License-Identifier: Apache-2.0 */
/* rights.js - what the key that is signed in may do, by the API's own description: what it may not is not offered. */
import { description, get } from "./api.js";

/* Each page's collection: who may read it is shown the page. */
const READS = { overview: "/v1/nodes", calls: "/v1/calls", cdrs: "/v1/cdrs", statistics: "/v1/stats", vendors: "/v1/vendor-health", alarms: "/v1/alerts", nodes: "/v1/nodes",
	carriers: "/v1/carriers", trunks: "/v1/trunks", "rate-decks": "/v1/rate-decks", "routing-plans": "/v1/routing-plans", "number-lists": "/v1/number-lists", "number-lengths": "/v1/number-lengths",
	"exchange-rates": "/v1/exchange-rates", payments: "/v1/payments", adjustments: "/v1/adjustments", ledger: "/v1/ledger", invoices: "/v1/invoices", "invoice-senders": "/v1/invoice-senders", exports: "/v1/exports", "export-options": "/v1/export-options", "api-keys": "/v1/api-keys",
	audit: "/v1/audit-log" };

let self = null;
let paths = {};

/* learn - ask who is signed in, and what the API is; both are needed before any page is drawn */
export async function learn() {
	const asked = await get("/v1/self"); /* first: a key that is not known is refused once */
	paths = (await description()).paths;
	self = asked;
}
/* me - {id, name, role, carrier_id} of the key */
export const me = () => self;

/* may - is this operation of the API ("POST", "/v1/carriers") open to the key? */
export function may(method, path) {
	const operation = paths[path]?.[method.toLowerCase()];
	if (!self || !operation || (self.carrier_id !== null && !operation["x-carrier-key"]))
		return false;
	return ["readonly", self.role].includes(operation["x-role"]) || self.role === "admin";
}

/* offers - may the key use the page at this address ("#/trunks/3/change")? An address that no page has is not refused here. */
export function offers(href) {
	const [page, ...rest] = (/^#\/([^?]*)/.exec(href)?.[1] ?? "").split("/");
	if (page === "simulator")
		return may("POST", "/v1/route-lookups");
	const path = READS[page];
	if (!path)
		return true;
	const inner = rest[1] === "rates" && rest.length > 2;
	const own = inner ? `${path}/{parent}/rates` : path;
	if (rest.at(-1) === "new")
		return may("POST", own);
	if (rest.at(-1) === "change")
		return may("PATCH", rest.length === 1 ? own : `${own}/{id}`);
	return may("GET", path);
}
