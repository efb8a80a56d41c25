# SPDX-License-Identifier: Apache-2.0
"""The description at /openapi.json: whole, true to itself, and really what the other stories' answers are held against."""

import json
import unittest

from story import Failure
from story.described import Description
from story.process import run
from story.stack import program

ALWAYS = {"500", "503"}
KEYED = {"401", "403", "429"}
BODY = {"413", "415", "422"}


def numeric(schema):
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    return bool({"integer", "number"} & set(types)) and schema.get("format") != "int64" or schema.get("format") == "decimal"


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.description = Description(run([program("tandem-apid"), "--openapi"]).stdout)
        cls.all = cls.description.all

    def operations(self):
        for path, methods in self.all["paths"].items():
            for method, operation in methods.items():
                yield f"{method.upper()} {path}", operation

    def properties(self, where, schema):
        """(where, schema) of each field, however deep."""
        for name, one in schema.get("properties", {}).items():
            yield f"{where}.{name}", one
            yield from self.properties(f"{where}.{name}", one)
        for inner in [schema["items"]] if "items" in schema else schema.get("oneOf", []):
            yield from self.properties(where, inner)

    def fields(self):
        for name, schema in self.all["components"]["schemas"].items():
            yield from self.properties(name, schema)

    def test_every_field_has_description_and_example(self):
        for where, schema in self.fields():
            with self.subTest(where):
                self.assertTrue(schema.get("description"))
                self.assertTrue(schema.get("examples"))
                for example in schema["examples"]:
                    self.assertIsNotNone(example)
                    self.assertEqual(list(self.description.faults(schema, example)), [])

    def test_every_operation_has_a_name_of_its_own_that_programs_can_use(self):
        names = {where: operation["operationId"] for where, operation in self.operations()}
        self.assertEqual(len(set(names.values())), len(names))
        for where, name in names.items():
            self.assertRegex(name, r"^(get|post|patch|delete)([A-Z][a-z0-9]*)+$", where)
        self.assertEqual(names["GET /v1/rate-decks/{parent}/rates/{id}"], "getRateDecksByParentRatesById")
        self.assertEqual(names["POST /v1/carriers"], "postCarriers")

    def test_every_number_has_a_unit(self):
        for where, schema in self.fields():
            if numeric(schema) or numeric(schema.get("items", {})):
                with self.subTest(where):
                    self.assertTrue(schema.get("x-unit"))

    def test_every_parameter_has_description_and_example(self):
        for where, operation in self.operations():
            for parameter in operation["parameters"]:
                parameter = self.description.resolve(parameter)
                with self.subTest(f"{where} {parameter['name']}"):
                    self.assertTrue(parameter.get("description"))
                    self.assertIn("example", parameter)
                    self.assertEqual(list(self.description.faults(parameter["schema"], parameter["example"])), [])

    def test_every_operation_lists_its_statuses(self):
        for where, operation in self.operations():
            wanted = set(ALWAYS) | {"400", "404"}
            if operation.get("security") != []:
                wanted |= KEYED
            if "requestBody" in operation:
                wanted |= BODY
            if where.split()[0] in ("PATCH", "DELETE") and any(p.get("$ref", "").endswith("/if_match") for p in operation["parameters"]):
                wanted |= {"412"}
            if where.startswith("POST"):
                wanted |= {"409"}
            with self.subTest(where):
                self.assertEqual(wanted - set(operation["responses"]), set())
                self.assertTrue(operation["summary"] and operation["tags"])

    def test_an_answer_that_is_not_as_described_is_found(self):
        carrier = self.all["components"]["schemas"]["Carriers"]["properties"]
        whole = {name: schema["examples"][0] for name, schema in carrier.items()}
        check = self.description.check
        check("GET", "/v1/carriers/1", 200, "application/json", json.dumps(whole))
        for wrong in ({**whole, "extra": 1}, {**whole, "id": "1"}, {**whole, "balance": 1.5}, {**whole, "status": "asleep"},
                      {**whole, "created_at": "2026-05-01 12:00"}, {**whole, "version": 1.5}, []):
            with self.assertRaises(Failure, msg=wrong):
                check("GET", "/v1/carriers/1", 200, "application/json", json.dumps(wrong))
        for status, kind, text in ((201, "application/json", json.dumps(whole)), (200, "text/html", "<p>"), (404, "application/json", "{}"),
                                   (404, "application/problem+json", '{"title": "x"}')):
            with self.assertRaises(Failure, msg=(status, kind)):
                check("GET", "/v1/carriers/1", status, kind, text)
        with self.assertRaises(Failure):
            check("DELETE", "/v1/carriers/1", 204, "", "a body")
        with self.assertRaises(Failure):  # a method that the path does not have has one answer
            check("PUT", "/v1/carriers/1", 200, "application/json", "{}")


if __name__ == "__main__":
    unittest.main()
