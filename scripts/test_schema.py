"""The JSON Schema, judged by a validator that is not ours."""

import json
import subprocess
import unittest
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "config" / "connection_pool.schema.json").read_text(encoding="utf-8"))


def problems(text):
    """The paths at which the validator finds the YAML in `text` wrong."""
    errors = Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text))
    return [".".join(str(step) for step in error.absolute_path) for error in errors]


def tracked(*patterns):
    """The files of the repository that match one of `patterns`."""
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


class Schema(unittest.TestCase):
    def test_the_schema_is_one(self):
        Draft202012Validator.check_schema(SCHEMA)

    def test_every_configuration_of_the_repository_fits(self):
        files = tracked("config/connection_pool*.yaml", "pool-config/tests/fixtures/*.yaml", "*/examples/*.yaml")
        self.assertGreaterEqual(len(files), 8)
        for file in files:
            with self.subTest(file=file.name):
                self.assertEqual(problems(file.read_text(encoding="utf-8")), [])

    def test_references_to_variables_fit_everywhere(self):
        pool = "{name: a, database: '${DB}', port: '${PORT:-5432}', max_connections: '${MAX}', fail_fast: '${FAST}'}"
        self.assertEqual(problems("connection_pool: {pools: [%s]}" % pool), [])

    def test_mistakes_are_found(self):
        for text, path in [
            ("connection_pool: {pools: [{database: a}]}", "connection_pool.pools.0"),
            ("connection_pool: {default_pool: {max_connections: 0}}", "connection_pool.default_pool.max_connections"),
            ("connection_pool: {default_pool: {max_connections: many}}", "connection_pool.default_pool.max_connections"),
            ("connection_pool: {default_pool: {max_conections: 5}}", "connection_pool.default_pool"),
            ("connection_pool: {monitoring: {error_rate_threshold: 5}}", "connection_pool.monitoring.error_rate_threshold"),
            ("connection_pool: {pools: [{name: a, driver: oracle}]}", "connection_pool.pools.0.driver"),
            ("{}", ""),
        ]:
            with self.subTest(text=text):
                self.assertEqual(problems(text), [path])


if __name__ == "__main__":
    unittest.main()
