"""JSON in: a file becomes a document, a document is read key by key with its types checked.

Every problem is collected with the path of its key, so that one run names them all.
"""

import json
import math


class InvalidFile(Exception):
    """A file that cannot be analysed; `problems` says why, one line each."""

    def __init__(self, problems):
        super().__init__("; ".join(problems))
        self.problems = problems


def read_json(path):
    """The document in the file at `path`, whose numbers are all finite."""
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")
        document = json.loads(text)
    except OSError as error:
        raise InvalidFile([f"cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise InvalidFile([f"is not UTF-8 text: byte {error.start} is wrong"]) from error
    except json.JSONDecodeError as error:
        raise InvalidFile([f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"]) from error
    except RecursionError as error:
        raise InvalidFile(["is not a result: nested too deeply"]) from error
    except ValueError as error:  # an integer of thousands of digits
        raise InvalidFile([f"is not JSON that can be read: {error}"]) from error
    problems = list(_not_finite(document, ""))
    if problems:
        raise InvalidFile(problems)
    return document


def _not_finite(value, path):
    """Python's parser lets NaN and Infinity pass (and 1e999, which becomes one): JSON has no such numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{path or 'the document'}: {value} is not a number that JSON knows"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _not_finite(item, join(path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{path}[{index}]")


def join(path, key):
    return f"{path}.{key}" if path else key


def describe(value):
    """What a value is, in a reader's words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {json.dumps(value if len(value) <= 40 else value[:37] + '...', ensure_ascii=False)}"
    if isinstance(value, list):
        return "a list"
    return "an object"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Section:
    """A JSON object under reading; absent and null are the same: not measured.

    A section that is not there is falsy and answers None to every question, so that readers need no special case.
    """

    def __init__(self, value, path, problems):
        self._value = value
        self._path = path
        self._problems = problems

    def __bool__(self):
        return bool(self._value)

    def path(self, key):
        return join(self._path, key)

    def has(self, key):
        return self._value.get(key) is not None

    def is_empty_list(self, key):
        return self._value.get(key) == []

    def __iter__(self):
        return iter(self._value)

    def problem(self, key, message):
        self._problems.append(f"{self.path(key)}: {message}")

    def _take(self, key, expected, fits):
        value = self._value.get(key)
        if value is None or fits(value):
            return value
        self.problem(key, f"expected {expected}, found {describe(value)}")
        return None

    def section(self, key):
        value = self._take(key, "an object", lambda v: isinstance(v, dict))
        return Section(value or {}, self.path(key), self._problems)

    def text(self, key):
        return self._take(key, "text", lambda v: isinstance(v, str))

    def flag(self, key):
        return self._take(key, "true or false", lambda v: isinstance(v, bool))

    def number(self, key):
        """A number of either sign."""
        return self._float(key, self._take(key, "a number", is_number))

    def amount(self, key):
        """A number that is not negative."""
        return self._not_negative(key, self.number(key))

    def count(self, key):
        """A whole number that is not negative."""
        value = self._not_negative(key, self._take(key, "a whole number", is_number))
        if value is not None and value != int(value):
            self.problem(key, f"expected a whole number, found {value:g}")
            return None
        return None if value is None else int(value)

    def amounts(self, key, gaps=False):
        """A list of numbers that are not negative; with `gaps`, null stands for a value not measured."""
        found = []
        for place, item in self._items(key, "a number", lambda v: is_number(v) or (gaps and v is None)):
            value = self._not_negative(place, self._float(place, item))
            if value is not None or item is None:
                found.append(value)
        return found

    def texts(self, key):
        return [value for _, value in self._items(key, "text", lambda v: isinstance(v, str))]

    def sections(self, key):
        return [
            Section(value, self.path(place), self._problems)
            for place, value in self._items(key, "an object", lambda v: isinstance(v, dict))
        ]

    def _items(self, key, expected, fits):
        """(key[index], item) of the list's items that fit; the others are problems."""
        found = []
        for index, value in enumerate(self._take(key, "a list", lambda v: isinstance(v, list)) or []):
            place = f"{key}[{index}]"
            if fits(value):
                found.append((place, value))
            else:
                self.problem(place, f"expected {expected}, found {describe(value)}")
        return found

    def _float(self, place, value):
        try:
            return None if value is None else float(value)
        except OverflowError:
            self.problem(place, "the number is too large")
            return None

    def _not_negative(self, place, value):
        if value is not None and value < 0:
            self.problem(place, f"must not be negative, found {value:g}")
            return None
        return value
