"""What the tests of the analysis share: results to analyse, and a way to call the script in this process."""

import contextlib
import copy
import io
import json
import os
import tempfile
import unittest

import analyze_load_test

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURE = os.path.join(HERE, "fixtures", "oversubscribe.json")

with open(FIXTURE, encoding="utf-8") as fixture:
    FULL = json.load(fixture)


def full(change=None):
    """The full result of the fixture, with one change."""
    document = copy.deepcopy(FULL)
    if change:
        change(document)
    return document


def seed(times=(1.0, 2.0, 3.0, 4.0), failed=0, **keys):
    """A file with only the seed's four keys."""
    document = {
        "totalConnections": len(times) + failed,
        "successfulConnections": len(times),
        "failedConnections": failed,
        "connectionTimes": list(times),
    }
    document.update(keys)
    return document


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, document, name="results.json"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(document if isinstance(document, str) else json.dumps(document))
        return path

    def analyse(self, *arguments):
        """(exit code, standard output, standard error)"""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = analyze_load_test.main([str(argument) for argument in arguments])
            except SystemExit as exit_:
                code = exit_.code
        return code, out.getvalue(), err.getvalue()

    def printed(self, document, *options):
        code, out, err = self.analyse(self.write(document), *options)
        self.assertEqual((code, err), (0, ""))
        return out
