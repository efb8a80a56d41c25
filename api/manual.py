#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""manual.py - docs/api.md from the OpenAPI description: tandem-apid --openapi | api/manual.py > docs/api.md"""

import json
import sys

INTRO = """# The REST API

*Made by `tandem-apid --openapi | api/manual.py`; the text of fields and endpoints stands in `api/*.c`.*

`tandem-apid` answers at `[api] listen` (default `127.0.0.1:8080`), over TLS if `tls_certificate` and `tls_key` are set.
The machine-readable description is at `/openapi.json`.

```sh run
KEY=$(tandem apikey create --name ops --role admin)
curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/v1/carriers \\
     -d '{"name": "Acme Telecom", "currency": "EUR"}'
```

## Conventions

- **Money and prices** are decimals in strings, `"0.012500"`, never floats: at least 6 decimals in answers, up to 9 taken
  (exchange rates 12). **Times** are RFC 3339 in UTC with milliseconds; any offset is taken. **Ids** are integers, those of
  calls and CDRs UUIDv7. **Durations** are whole seconds. A **limit** of null is none.
- **Lists** answer `{"items": […], "next_cursor": null | "…"}`. Ask for the next page with `?cursor=`, for its size with
  `?limit=` (1 to 1000, default 100, of `/v1/stats` 1000); of large objects (the audit log of a long number list, say) a page holds fewer. Filters are query parameters; an unknown one, or a bad value, is a 400.
- **CSV**: any list comes as CSV with `?format=csv` or `Accept: text/csv`: a header and every row that the filters find, page after page
  as you read (`limit` or `cursor` take less). Lists and objects are cells of JSON; text that a spreadsheet would run as a formula
  has an apostrophe in front. A connection that ends without the last chunk (`curl` says so) means that rows are missing; a listing may take
  15 minutes at most.
- `POST` answers 201 with `Location`. `PATCH` merges: what is not named stays, null resets to the default; lists are replaced
  as a whole. `DELETE` answers 204, or 409 naming who still needs the object.
- **Many at once**: `PATCH /v1/trunks` changes all trunks that its filters name, in one transaction, or none if one does not fit;
  `DELETE /v1/calls` hangs up all calls that its filters name. Both answer 200 with how many and which, and with `?dry_run=true` only that.
  Calls of `mode` proxy are not hung up, but named apart in `skipped`.
  The shell has both: `tandem trunks set --direction egress max_cps=40 --dry-run`, `tandem calls hangup --trunk 7`.
  Without any filter they want `?all=true`.
- **ETag**: single objects with a `version` carry it as `ETag: "7"`. Send `If-Match: "7"` with `PATCH` or `DELETE`, and a change
  that somebody else made meanwhile gives 412 instead of being overwritten. All other single objects but live calls have an `ETag` of what they say: with `If-None-Match` who has
  read it before gets 304 without a body. So have `/openapi.json` and the console's files, which come gzipped to who takes that
  (`Accept-Encoding: gzip`).
- **Idempotency-Key**: any `POST` may carry one. The same request with the same key is done once and answered alike for a
  day; another request with the same key is a 409. Repeat a `POST` whose answer was lost with its key.
- **Bodies** have at most 1 MiB (CSV: 256 MiB) and 16 levels; a field that is not known is a 422. They are JSON whatever
  `Content-Type` says, but `multipart/` and a `Content-Encoding` are a 415. Request line and headers have at most 32 KiB: beyond that (414, 431), and where the
  request is no HTTP (400), the connection ends after the answer.
- A change is in force on every node within 2 s of its answer, and stands in `/v1/audit-log` with its author, before and after.

## Keys and roles

`Authorization: Bearer KEY`. A key is shown once, when it is made, and kept as a hash.

| role | may |
| --- | --- |
| `readonly` | read everything but keys; look routes up |
| `provisioning` | also write carriers, trunks, decks, rates, plans, lists; hang up calls |
| `finance` | also write payments, adjustments, invoices, exports and exchange rates; reverse bookings |
| `admin` | everything, and alone keys |

A key that is bound to a carrier (`carrier_id`) only reads that carrier's own objects, the decks of its trunks, its ledger
and its CDRs, these with the columns of its side; anything else is a 404 for it. `/healthz` and `/readyz` need no key.
`GET /v1/self` says what the key that asks is; in `/openapi.json` each operation has the role it wants (`x-role`), and whether a bound key
may use it (`x-carrier-key`).

## Errors

`application/problem+json` with `title`, `status`, `detail` and, for bad input, `errors`:

```json
{"title": "A field is wrong", "status": 422, "detail": "At least one field is wrong; see errors.",
 "errors": [{"field": "rate_deck_id", "message": "rate deck 3 is in USD, carrier 2 of trunk x in EUR"}]}
```

| status | means |
| --- | --- |
| 400 | not JSON, a bad filter or cursor, a malformed target |
| 401 | no key, or none that is known |
| 403 | the key's role is too low |
| 404 | not there (or not there for this key) |
| 405 | the resource does not know the method; `Allow` lists those it knows |
| 409 | a name that is taken, an object that is still referenced, a key of another request |
| 412 | changed since it was read |
| 413, 415 | the body is too large, or of the wrong type |
| 422 | a field is wrong; `errors` names each |
| 429 | too many requests of this key (`[api] key_rate`), or unknown keys from this address (`address_rate`); too many imports wait; `Retry-After` says when to come again |
| 503 | PostgreSQL or Redis is away, or too much waits; `Retry-After` says when to come again |

## Events

`GET /v1/calls/events` is a stream of server-sent events (`text/event-stream`): `call.started`, `call.updated`, `call.ended`,
each with the call as its data. A stream that may have missed something is ended: connect again and read `/v1/calls` once. It ends when Redis
goes away, and when a node dies or begins anew, at most 6 s after its last sign of life: nobody tells the end of its calls, and `/v1/calls` has them no more. Who
has not read 1 MiB is cut off, without the last chunk. Between events, and each 15 s, there are lines that begin with a colon. A
key may have 64 streams open (429), a `tandem-apid` 256 (503); who closes its end frees its place within two seconds. A key's
deletion ends its streams. In `call.ended` the call's `state` is `ended`.

It goes on until one side ends it; here for two seconds:

```sh run
curl -sSN --max-time 2 -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/v1/calls/events || [ $? -eq 28 ]
```

## Importing rates

`POST /v1/rate-decks/{id}/imports` with a CSV file starts a job and answers 202. Follow its `Location` until `status` is `done` or
`failed`. One bad row and nothing is applied; `report.errors` names each with its line. `?dry_run=true` only reports,
`?replace=true` ends every rate that the file lacks. A job whose server died is marked `failed` with that reason.

```sh run
curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/v1/rate-decks -d '{"name": "Acme sell", "side": "sell", "currency": "EUR"}'
printf 'prefix,price,destination\\n49,0.0100,Germany\\n4915,0.0200,Germany mobile\\n' > rates.csv
curl -H "Authorization: Bearer $KEY" -H 'Content-Type: text/csv' --data-binary @rates.csv \\
     http://127.0.0.1:8080/v1/rate-decks/1/imports
```
"""


class Manual:
    def __init__(self, description):
        self.all = description
        self.schemas = description["components"]["schemas"]

    def follow(self, node):
        while "$ref" in node:
            at = self.all
            for part in node["$ref"][2:].split("/"):
                at = at[part]
            node = at
        return node

    @staticmethod
    def kind(schema):
        types = schema.get("type", "any")
        types = [types] if isinstance(types, str) else types
        name = types[0]
        if "enum" in schema:
            name = " \\| ".join(f"`{v}`" for v in schema["enum"] if v is not None)
        elif schema.get("format") in ("decimal", "date-time", "uuid"):
            name = {"decimal": "decimal", "date-time": "time", "uuid": "UUID"}[schema["format"]]
        elif name == "array":
            name = "list of " + Manual.kind(schema["items"])
        limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema and name == "integer"
                  and schema.get("format") != "int64"]
        if limits:
            name += " " + " ".join(limits)
        return name + (", null" if "null" in types else "")

    def fields(self, read, write, change):
        """Rows of (name, kind, how, meaning) over what is read and what is written, in the order of the answer."""
        names = list(dict.fromkeys(list(read) + list(write)))
        for name in names:
            schema = write.get(name) or read[name]
            how = []
            if name not in write and (write or change):
                how.append("read only")
            if "x-direction" in schema:
                how.append(schema["x-direction"])
            if name in write and name not in read:
                how.append("never shown")
            if "default" in schema:
                how.append(f"default `{json.dumps(schema['default'])}`")
            yield name, self.kind(schema), ", ".join(how), schema.get("description", "")
            inner = schema["items"] if schema.get("type") in ("array", ["array", "null"]) and "properties" in schema.get("items", {}) else schema
            for sub, one in inner.get("properties", {}).items():
                needed = "needed" if sub in inner.get("required", []) else f"default `{json.dumps(one['default'])}`" if "default" in one else ""
                yield f"{name}.{sub}", self.kind(one), needed, one.get("description", "")

    def resource(self, tag, operations):
        out = [f"\n## {tag}\n"]
        name = "".join(w.capitalize() if w[:1].islower() else w for w in tag.split("-"))
        read = self.schemas.get(name, {})
        new, change = self.schemas.get(name + "New", {}), self.schemas.get(name + "Change", {})
        if read.get("description"):
            out.append(read["description"] + "\n")
        out += ["| request | does | role |", "| --- | --- | --- |"]
        for method, path, op in operations:
            out.append(f"| `{method.upper()} {path}` | {op['summary']} | {op.get('x-role', 'none needed')} |")
        filters = [(p["name"], p["description"]) for _, _, op in operations for p in op["parameters"] if p.get("in") == "query"]
        if filters:
            out += ["\nQuery parameters: " + ", ".join(f"`{n}` ({d})" for n, d in dict(filters).items()) + "."]
        if read:
            out += ["\n| field | type | | meaning |", "| --- | --- | --- | --- |"]
            required = new.get("required", [])
            for field, kind, how, meaning in self.fields(read.get("properties", {}), new.get("properties", {}), change):
                how = "needed" if field in required else how
                out.append(f"| `{field}` | {kind} | {how} | {meaning} |")
        return out

    def text(self):
        tags = {}
        for path, methods in self.all["paths"].items():
            for method, op in methods.items():
                tags.setdefault(op["tags"][0], []).append((method, path, op))
        lines = [INTRO.rstrip()]
        for tag, operations in tags.items():
            lines += self.resource(tag, operations)
        return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(Manual(json.load(sys.stdin)).text())
