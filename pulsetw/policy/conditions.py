"""What may be said of one field: how operands are read, and how values are held against them."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

MAX_CONDITIONS = 100
"""In a whole filter; each value of a list counts as one."""

MAX_TEXT_CHARACTERS = 200

_MAX_NUMBER = 2**63

Verdict = bool | None
"""None = neither true nor false: the field is not there, or has another type than the operand."""

Test = Callable[[object], Verdict]
"""Of a field's value; None where the field is not there."""


@frozen
class Operator:
    """One way to say something of a field.

    Attributes:
        read: the operand as canonical JSON, from what stood there and where that was; raises ValueError.
        test: from that operand to what is asked of values.
    """

    read: Callable[[object, str], Any]
    test: Callable[[Any], Test]


def wrong(where: str, expected: str, value: object) -> ValueError:
    """The error that says what was expected somewhere, and what stood there, as far as that can be shown."""
    if isinstance(value, Mapping):
        found = "an object" if value else "an empty object"
    elif isinstance(value, list | tuple):
        found = f"a list of {len(value)}"
    elif isinstance(value, str):
        found = repr(value[:50])
    else:
        found = "null" if value is None else _typed(value)[0] or type(value).__name__
    return ValueError(f"{where}: expected {expected}, found {found}")


def read_list(value: object, where: str) -> Sequence[object]:
    """A list that is neither empty nor too long.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MAX_CONDITIONS:
        raise wrong(where, f"a list of 1 to {MAX_CONDITIONS}", value)
    return value


def _typed(value: object) -> tuple[str, object]:
    """With its type, as Python's ``True`` is 1; what cannot be compared has none."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    return ("text", value) if isinstance(value, str) else ("", None)


def _read_values(operand: object, where: str) -> list[object]:
    """In one order, each once."""
    listed = [_read_value(each, f"{where}[{index}]") for index, each in enumerate(read_list(operand, where))]
    values = {_typed(value): value for value in listed}
    return [values[typed] for typed in sorted(values, key=str)]


def _read_value(operand: object, where: str) -> object:
    if isinstance(operand, bool):
        return operand
    if isinstance(operand, int | float):
        return _read_number(operand, where)
    if isinstance(operand, str):
        return _read_text(operand, where)
    raise wrong(where, "a text, a number, true or false", operand)


def _read_number(operand: object, where: str) -> float:
    """Whole numbers as such, however they were written."""
    if not isinstance(operand, int | float) or isinstance(operand, bool):
        raise wrong(where, "a number", operand)
    if not -_MAX_NUMBER < operand < _MAX_NUMBER:
        raise wrong(where, "a number within 64 bits", operand)
    return int(operand) if math.floor(operand) == operand else operand


def _read_text(operand: object, where: str) -> str:
    if not isinstance(operand, str) or len(operand) > MAX_TEXT_CHARACTERS:
        raise wrong(where, f"a text of at most {MAX_TEXT_CHARACTERS} characters", operand)
    try:
        operand.encode()
    except UnicodeEncodeError:
        raise wrong(where, "a text that UTF-8 can hold", operand) from None
    return operand


def _read_start(operand: object, where: str) -> str:
    if operand == "":
        raise wrong(where, "at least one character", operand)
    return _read_text(operand, where)


def _read_truth(operand: object, where: str) -> bool:
    if not isinstance(operand, bool):
        raise wrong(where, "true or false", operand)
    return operand


def _is_among(values: Sequence[object]) -> Test:
    among = frozenset(map(_typed, values))
    kinds = frozenset(kind for kind, _ in among)

    def test(value: object) -> Verdict:
        typed = _typed(value)
        return typed in among if typed[0] in kinds else None

    return test


def _is_there(expected: bool) -> Test:
    return lambda value: (value is not None) is expected


def _begins(start: str) -> Test:
    return lambda value: value.startswith(start) if isinstance(value, str) else None


def _compares(holds: Callable[[Any, Any], bool]) -> Callable[[float], Test]:
    def test_against(bound: float) -> Test:
        return lambda value: holds(value, bound) if _typed(value)[0] == "number" else None

    return test_against


OPERATORS = {
    "in": Operator(_read_values, _is_among),
    "exists": Operator(_read_truth, _is_there),
    "prefix": Operator(_read_start, _begins),
    "gt": Operator(_read_number, _compares(operator.gt)),
    "gte": Operator(_read_number, _compares(operator.ge)),
    "lt": Operator(_read_number, _compares(operator.lt)),
    "lte": Operator(_read_number, _compares(operator.le)),
}
EXPECTED = f"eq, {', '.join(OPERATORS)}"
