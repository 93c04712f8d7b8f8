"""MongoDB's aggregation expressions, as far as the services use them; other operators raise KeyError."""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")
Document = dict[str, Any]

ABSENT = object()  # the value of a path that does not exist
ORDERINGS = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}


def copied(value: T) -> T:
    """Return a deep copy of a document or of a part of it."""
    copy: Any = value
    if isinstance(value, dict):
        copy = {name: copied(part) for name, part in value.items()}
    elif isinstance(value, list):
        copy = [copied(part) for part in value]
    result: T = copy
    return result


def evaluate(expression: Any, document: Document, now: datetime) -> Any:
    """Return the value of an aggregation expression."""
    if expression == "$$NOW":
        return now
    if isinstance(expression, str) and expression.startswith("$"):
        value = value_at(document, expression[1:])
        return None if value is ABSENT else value
    if isinstance(expression, list):
        return [evaluate(part, document, now) for part in expression]
    return _evaluate_object(expression, document, now) if isinstance(expression, Mapping) else expression


def value_at(document: Document, path: str) -> Any:
    """Return the value at a dotted path, or `ABSENT`."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _evaluate_object(expression: Mapping[str, Any], document: Document, now: datetime) -> Any:
    if not any(name.startswith("$") for name in expression):
        return {name: evaluate(part, document, now) for name, part in expression.items()}
    ((name, argument),) = expression.items()
    if name == "$literal":
        return copied(argument)
    if name == "$dateDiff":
        return _date_difference({key: evaluate(part, document, now) for key, part in argument.items()})
    return _EXPRESSIONS[name](evaluate(argument, document, now))


def _added(values: Sequence[Any]) -> Any:
    times = [value for value in values if isinstance(value, datetime)]
    numbers = sum(value for value in values if not isinstance(value, datetime))
    return times[0] + timedelta(milliseconds=numbers) if times else numbers


def _date_difference(parts: Mapping[str, Any]) -> int:
    if parts["unit"] != "millisecond":
        raise NotImplementedError(parts["unit"])
    return int((parts["endDate"] - parts["startDate"]) / timedelta(milliseconds=1))


def _ordered(name: str, values: Sequence[Any]) -> bool:
    """Return the result of the comparison `name` for two values; null is less than any other value."""
    first, second = ((value is not None, value) for value in values)
    if first[0] and second[0]:
        return bool(ORDERINGS[name](first[1], second[1]))
    return bool(ORDERINGS[name](first[0], second[0]))


_EXPRESSIONS: dict[str, Callable[[Any], Any]] = {
    "$add": _added,
    "$multiply": lambda values: values[0] * values[1],
    "$subtract": lambda values: values[0] - values[1],
    "$pow": lambda values: values[0] ** values[1],
    "$min": min,
    "$cond": lambda values: values[1] if values[0] else values[2],
    "$isNumber": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "$isArray": lambda value: isinstance(value, list),
    "$concatArrays": lambda values: [one for value in values for one in value],
    "$and": all,
    "$not": lambda values: not values[0],
    "$eq": lambda values: values[0] == values[1],
    "$type": lambda value: "date" if isinstance(value, datetime) else type(value).__name__,
    **{name: partial(_ordered, name) for name in ORDERINGS},
}
