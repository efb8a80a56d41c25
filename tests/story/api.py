# SPDX-License-Identifier: Apache-2.0
"""The REST API as a story uses it."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request

from .process import Failure, wait_for


class ApiError(Failure):
    """An answer of 400 or more; `status` and `problem` as sent."""

    def __init__(self, method, path, status, body):
        self.status = status
        try:
            self.problem = json.loads(body)
        except ValueError:
            self.problem = {"detail": body}
        super().__init__(f"{method} {path}: {status} {body}")


class Api:
    def __init__(self, base, key=None):
        self.base, self.key = base.rstrip("/"), key
        self.last_headers = {}
        self.changed_at = 0.0  # when the last change was answered

    def call(self, method, path, body=None, headers=None, raw=None, kind="application/json", limit=30):
        """(status, text); answers of 400 and more come back, too."""
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.base + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", kind)
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                self.last_headers = dict(answer.headers.items())
                if method != "GET":
                    self.changed_at = time.monotonic()
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            self.last_headers = dict(e.headers.items())
            return e.code, e.read().decode(errors="replace")
        except (urllib.error.URLError, OSError, http.client.HTTPException) as e:
            raise Failure(f"{method} {path}: {e}") from None

    def ask(self, method, path, body=None, **more):
        """The answer's JSON (None if it has no body); ApiError from 400 up."""
        status, text = self.call(method, path, body, **more)
        if status >= 400:
            raise ApiError(method, path, status, text)
        return json.loads(text) if text.strip() else None

    def get(self, path, **query):
        query = {k.rstrip("_"): v for k, v in query.items() if v is not None}
        return self.ask("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, **body):
        return self.ask("POST", path, {k.rstrip("_"): v for k, v in body.items()})

    def patch(self, path, **body):
        return self.ask("PATCH", path, body)

    def delete(self, path):
        return self.ask("DELETE", path)

    def items(self, path, **query):
        """All items of a list, page after page."""
        found, cursor = [], None
        while True:
            page = self.get(path, cursor=cursor, **query)
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    # ---- what stories ask for most

    def import_rates(self, deck_id, csv, query="", limit=60):
        """Import a CSV text; the finished job."""
        return self.job_end(self.ask("POST", f"/v1/rate-decks/{deck_id}/imports{query}", raw=csv.encode(), kind="text/csv"), limit)

    def roll_back(self, deck_id, version_id, query="", limit=60):
        """Bring back a version of a deck; the finished job."""
        return self.job_end(self.ask("POST", f"/v1/rate-decks/{deck_id}/rollbacks{query}", {"version_id": version_id}), limit)

    def job_end(self, job, limit):
        def done():
            now = self.get(f"/v1/imports/{job['id']}")
            return now if now["status"] in ("done", "failed") else None

        return wait_for("the import's end", done, limit)

    def cdr(self, limit=5.0, **filters):
        """The one CDR that the filters name, whole, with its attempts. It must come within the limit."""
        def one():
            found = self.get("/v1/cdrs", **filters)["items"]
            if len(found) > 1:
                raise AssertionError(f"{len(found)} CDRs for {filters}")
            return found and found[0]

        row = wait_for(f"the CDR of {filters}", one, limit)
        return self.get(f"/v1/cdrs/{row['id']}")
