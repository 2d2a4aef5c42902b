"""The schema walker and the result schema itself."""

import contextlib
import copy
import io
import json
import os
import tempfile
import unittest

import validate_result
from validate_result import BadSchema, violations

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(HERE, "fixtures", "oversubscribe.json")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class ResultSchema(unittest.TestCase):
    """What the schema of results accepts and refuses, each by one change to a valid result."""

    @classmethod
    def setUpClass(cls):
        cls.schema = load(validate_result.SCHEMA)
        cls.valid = load(FIXTURE)

    def problems(self, change):
        document = copy.deepcopy(self.valid)
        change(document)
        return list(violations(document, self.schema))

    def test_the_fixture_is_valid(self):
        self.assertEqual(self.problems(lambda _: None), [])

    def test_optional_sections_may_be_absent(self):
        self.assertEqual(self.problems(lambda d: d.pop("sweep")), [])

    def test_a_wrong_type_is_refused(self):
        self.assertEqual(
            self.problems(lambda d: d.update(totalConnections="2000")),
            ['totalConnections: expected integer, found the text "2000"'],
        )
        self.assertEqual(
            self.problems(lambda d: d["run"].update(seed=42)),
            ["run.seed: expected string, found the number 42"],
        )

    def test_a_boolean_is_no_number(self):
        self.assertEqual(
            self.problems(lambda d: d["throughput"].update(mean=True)),
            ["throughput.mean: expected number, found the boolean true"],
        )

    def test_a_missing_key_is_refused(self):
        self.assertEqual(self.problems(lambda d: d.pop("connectionTimes")), ["connectionTimes: is missing"])
        self.assertEqual(
            self.problems(lambda d: d["verdict"]["thresholds"][0].pop("actual")),
            ["verdict.thresholds[0].actual: is missing"],
        )

    def test_an_unknown_key_is_refused(self):
        self.assertEqual(
            self.problems(lambda d: d.update(latencyPercentiles={})),
            ["latencyPercentiles: is not a key of the schema"],
        )

    def test_a_bad_enum_is_refused(self):
        (problem,) = self.problems(lambda d: d["run"].update(status="done"))
        self.assertIn('run.status: expected one of "completed", "interrupted"', problem)
        self.assertIn('found the text "done"', problem)

    def test_an_unknown_kind_of_error_is_refused(self):
        def rename(document):
            kinds = document["errors"]["byKind"]
            kinds["tookTooLong"] = kinds.pop("acquireTimeout")

        (problem,) = self.problems(rename)
        self.assertTrue(problem.startswith("errors.byKind.tookTooLong: expected one of"), problem)

    def test_another_unit_is_refused(self):
        self.assertEqual(
            self.problems(lambda d: d["units"].update(latency="ms")),
            ['units.latency: expected the text "us", found the text "ms"'],
        )

    def test_a_negative_time_is_refused_with_its_place(self):
        def spoil(document):
            document["connectionTimes"][3] = -0.5

        self.assertEqual(self.problems(spoil), ["connectionTimes[3]: must be at least 0, found -0.5"])

    def test_a_version_of_another_major_is_refused(self):
        self.assertIn("does not match", self.problems(lambda d: d.update(schemaVersion="2.0.0"))[0])

    def test_a_histogram_may_be_null_but_not_half(self):
        self.assertEqual(self.problems(lambda d: d["phases"]["use"].update(histogram=None)), [])
        self.assertEqual(
            self.problems(lambda d: d["phases"]["use"]["histogram"].pop("unit")),
            ["phases.use.histogram.unit: is missing"],
        )
        self.assertEqual(
            self.problems(lambda d: d["phases"]["use"].update(histogram=7)),
            ["phases.use.histogram: fits none of the 2 alternatives, found the number 7"],
        )

    def test_all_violations_are_listed(self):
        def spoil(document):
            document["run"]["status"] = "done"
            document["queue"]["depthMax"] = 1.5
            del document["units"]

        self.assertEqual(len(self.problems(spoil)), 3)


class Walker(unittest.TestCase):
    """Keywords that one result does not exercise in both directions."""

    def test_integers_are_numbers_without_fraction(self):
        self.assertEqual(list(violations(2.0, {"type": "integer"})), [])
        self.assertEqual(len(list(violations(2.5, {"type": "integer"}))), 1)

    def test_one_of_refuses_a_value_that_fits_twice(self):
        schema = {"oneOf": [{"type": "number"}, {"minimum": 0}]}
        self.assertEqual(list(violations(3, schema)), ["the document: fits 2 of the alternatives, must fit one"])
        self.assertEqual(list(violations("x", {"oneOf": [{"type": "string"}, {"type": "null"}]})), [])

    def test_constants_keep_their_type(self):
        self.assertEqual(list(violations(1.0, {"const": 1})), [])
        self.assertEqual(len(list(violations(True, {"const": 1}))), 1)
        self.assertEqual(len(list(violations(0, {"enum": [False]}))), 1)

    def test_a_maximum_is_inclusive(self):
        self.assertEqual(list(violations(5, {"maximum": 5})), [])
        self.assertEqual(list(violations(6, {"maximum": 5})), ["the document: must be at most 5, found 6"])

    def test_a_reference_is_followed(self):
        schema = {"$ref": "#/$defs/name", "$defs": {"name": {"type": "string", "format": "date-time"}}}
        self.assertEqual(list(violations("x", schema)), [])
        self.assertEqual(len(list(violations(1, schema))), 1)

    def test_a_reference_to_nothing_is_a_bad_schema(self):
        for target in ("#/$defs/nobody", "other.json"):
            with self.subTest(target), self.assertRaises(BadSchema):
                list(violations(1, {"$ref": target}))

    def test_a_keyword_it_does_not_know_is_refused_not_ignored(self):
        with self.assertRaisesRegex(BadSchema, "uniqueItems"):
            list(violations([], {"items": {"type": "string"}, "uniqueItems": True}))


class CommandLine(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def run_main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = validate_result.main(list(arguments))
            except SystemExit as exit_:
                code = exit_.code
        return code, out.getvalue(), err.getvalue()

    def test_a_valid_file_exits_0(self):
        self.assertEqual(self.run_main(FIXTURE), (0, f"{FIXTURE}: valid\n", ""))

    def test_an_invalid_file_exits_1_and_names_every_place(self):
        document = load(FIXTURE)
        document["run"]["status"] = "done"
        document["extra"] = 1
        code, out, err = self.run_main(self.write("r.json", document))
        self.assertEqual((code, out), (1, ""))
        self.assertIn("r.json: run.status: expected one of", err)
        self.assertIn("r.json: extra: is not a key of the schema", err)
        self.assertIn("not valid, 2 violation(s)", err)

    def test_seed_keys_that_do_not_add_up_exit_1(self):
        document = load(FIXTURE)
        document["failedConnections"] = 4
        code, _, err = self.run_main(self.write("r.json", document))
        self.assertEqual(code, 1)
        self.assertIn(
            "totalConnections: is 2000, but successfulConnections + failedConnections is 1997 + 4 = 2001", err
        )

    def test_what_is_no_json_exits_1(self):
        for text, why in (
            ("{", "is not JSON: line 1"),
            ('{"a": NaN}', "a: nan is not a number"),
            ("[]", "expected object"),
        ):
            with self.subTest(text):
                code, _, err = self.run_main(self.write("r.json", text))
                self.assertEqual(code, 1)
                self.assertIn(why, err)
        self.assertEqual(self.run_main(os.path.join(self.directory, "none.json"))[0], 1)

    def test_another_schema_may_be_named(self):
        schema = self.write("s.json", {"type": "array"})
        self.assertEqual(self.run_main(self.write("r.json", []), "--schema", schema)[0], 0)

    def test_a_schema_that_cannot_be_used_is_usage(self):
        for text in ("{", '{"dependentSchemas": {}}'):
            with self.subTest(text):
                schema = self.write("s.json", text)
                self.assertEqual(self.run_main(FIXTURE, "--schema", schema)[0], 2)
        self.assertEqual(self.run_main()[0], 2)


if __name__ == "__main__":
    unittest.main()
