#!/usr/bin/env python3
"""Checks that a file is what pool-loadtest promises to write: pool-loadtest/result.schema.json, to the letter.

Readers of results should be lenient (analyze_load_test.py is); this script is for the writer's own tests. It walks
the subset of JSON Schema 2020-12 that the schema uses, and refuses a schema that uses more than it understands.
"""

import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from load_test_analysis.figures import printable  # noqa: E402
from load_test_analysis.reading import InvalidFile, describe, is_number, join, read_json  # noqa: E402

EXIT_OK, EXIT_INVALID, EXIT_USAGE = 0, 1, 2
SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "pool-loadtest", "result.schema.json")

TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and value == int(value),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


class BadSchema(ValueError):
    """A schema that this script does not understand."""


def violations(value, schema, root=None, path=""):
    """Every place where `value` breaks `schema`, as "path: what is wrong"."""
    root = schema if root is None else root
    unknown = sorted(set(schema) - set(KEYWORDS) - ANNOTATIONS)
    if unknown:
        raise BadSchema(f"at {path or 'the top'}: keyword {', '.join(unknown)} is not supported")
    for keyword, judge in KEYWORDS.items():
        if keyword in schema:
            yield from judge(value, schema, root, path)


def _at(path, message):
    return f"{path or 'the document'}: {message}"


def _same(left, right):
    """JSON's equality: 1 and 1.0 are the same number, 1 and true are not the same value."""
    if is_number(left) and is_number(right):
        return left == right
    return type(left) is type(right) and left == right


def _ref(value, schema, root, path):
    target = root
    steps = schema["$ref"].split("/")
    if steps[0] != "#":
        raise BadSchema(f"$ref {schema['$ref']} points outside the schema")
    for step in steps[1:]:
        if not isinstance(target, dict) or step not in target:
            raise BadSchema(f"$ref {schema['$ref']} points to nothing")
        target = target[step]
    yield from violations(value, target, root, path)


def _type(value, schema, _root, path):
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(TYPES[name](value) for name in names):
        yield _at(path, f"expected {' or '.join(names)}, found {describe(value)}")


def _enum(value, schema, _root, path):
    if not any(_same(value, allowed) for allowed in schema["enum"]):
        listed = ", ".join(json.dumps(allowed, ensure_ascii=False) for allowed in schema["enum"])
        yield _at(path, f"expected one of {listed}; found {describe(value)}")


def _const(value, schema, _root, path):
    if not _same(value, schema["const"]):
        yield _at(path, f"expected {describe(schema['const'])}, found {describe(value)}")


def _pattern(value, schema, _root, path):
    if isinstance(value, str) and not re.search(schema["pattern"], value):
        yield _at(path, f"{describe(value)} does not match {schema['pattern']}")


def _minimum(value, schema, _root, path):
    if is_number(value) and value < schema["minimum"]:
        yield _at(path, f"must be at least {schema['minimum']}, found {value}")


def _maximum(value, schema, _root, path):
    if is_number(value) and value > schema["maximum"]:
        yield _at(path, f"must be at most {schema['maximum']}, found {value}")


def _required(value, schema, _root, path):
    if isinstance(value, dict):
        for key in schema["required"]:
            if key not in value:
                yield _at(join(path, key), "is missing")


def _properties(value, schema, root, path):
    if isinstance(value, dict):
        for key, inner in schema["properties"].items():
            if key in value:
                yield from violations(value[key], inner, root, join(path, key))


def _additional_properties(value, schema, root, path):
    allowed = schema["additionalProperties"]
    if not isinstance(value, dict):
        return
    for key in value:
        if key in schema.get("properties", {}):
            continue
        if allowed is False:
            yield _at(join(path, key), "is not a key of the schema")
        elif isinstance(allowed, dict):
            yield from violations(value[key], allowed, root, join(path, key))


def _property_names(value, schema, root, path):
    if isinstance(value, dict):
        for key in value:
            for problem in violations(key, schema["propertyNames"], root, join(path, key)):
                yield f"{problem} (as a key)"


def _items(value, schema, root, path):
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from violations(item, schema["items"], root, f"{path}[{index}]")


def _one_of(value, schema, root, path):
    attempts = [list(violations(value, option, root, path)) for option in schema["oneOf"]]
    fitting = sum(not attempt for attempt in attempts)
    if fitting > 1:
        yield _at(path, f"fits {fitting} of the alternatives, must fit one")
    elif fitting == 0:
        # An alternative that is only broken further in was meant; what is wrong there says most.
        meant = [attempt for attempt in attempts if not any(problem.startswith(_at(path, "")) for problem in attempt)]
        if meant:
            yield from meant[0]
        else:
            yield _at(path, f"fits none of the {len(attempts)} alternatives, found {describe(value)}")


KEYWORDS = {
    "$ref": _ref,
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minimum": _minimum,
    "maximum": _maximum,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "propertyNames": _property_names,
    "items": _items,
    "oneOf": _one_of,
}
# Words that a schema may hold and that judge nothing ("format" is a remark unless a validator asks for it).
ANNOTATIONS = {"$schema", "$id", "$defs", "title", "description", "format"}


def contradictions(document):
    """What a schema cannot say: the seed keys must add up."""
    counts = [document.get(f"{kind}Connections") for kind in ("total", "successful", "failed")]
    if all(is_number(count) for count in counts) and counts[0] != counts[1] + counts[2]:
        yield (
            f"totalConnections: is {counts[0]}, but successfulConnections + failedConnections is "
            f"{counts[1]} + {counts[2]} = {counts[1] + counts[2]}"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="validate_result.py",
        description="Checks a result of pool-loadtest against its schema.",
        epilog="exit codes: 0 valid, 1 unreadable or not valid, 2 usage (a schema that cannot be used is usage too)",
    )
    parser.add_argument("file", metavar="FILE", help="the result")
    parser.add_argument("--schema", metavar="FILE", default=SCHEMA, help="default: pool-loadtest/result.schema.json")
    options = parser.parse_args(arguments)

    try:
        schema = read_json(options.schema)
    except InvalidFile as error:
        parser.error(f"--schema {options.schema}: {error}")
    try:
        document = read_json(options.file)
        problems = list(violations(document, schema))
    except InvalidFile as error:
        problems = error.problems
    except BadSchema as error:
        parser.error(f"--schema {options.schema}: {error}")
    else:
        if isinstance(document, dict):
            problems += contradictions(document)
    for problem in problems:
        print(f"{options.file}: {printable(problem)}", file=sys.stderr)
    if problems:
        print(f"{options.file}: not valid, {len(problems)} violation(s)", file=sys.stderr)
        return EXIT_INVALID
    print(f"{options.file}: valid")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
