"""The part of MongoDB's query and update language that the services use; anything else raises NotImplementedError.

tests/behaviour runs the stores on it and on a real server.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
Document = dict[str, Any]
Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]

_ABSENT = object()


class NotApplicable(ValueError):  # noqa: N818
    """An update does not fit the document; `code` is MongoDB's error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the update does not fit the document: code {code}")
        self.code = code


_ORDERINGS = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}


def copied(value: T) -> T:
    """Return a deep copy of a document or of a part of it."""
    copy: Any = value
    if isinstance(value, dict):
        copy = {name: copied(part) for name, part in value.items()}
    elif isinstance(value, list):
        copy = [copied(part) for part in value]
    result: T = copy
    return result


def matches(document: Document, query: Mapping[str, Any]) -> bool:
    """Return whether a document matches a query."""
    return all(
        any(matches(document, part) for part in condition)
        if path == "$or"
        else _holds(value_at(document, path), condition)
        for path, condition in query.items()
    )


def updated(document: Document, update: Update, now: datetime) -> Document:
    """Return the document after an update; `now` is the server's clock."""
    result = copied(document)
    if isinstance(update, Mapping):
        for name, changes in update.items():
            for path, argument in changes.items():
                _CHANGES[name](result, path, argument, now)
        return result
    for stage in update:
        if list(stage) == ["$unset"]:
            _unset(result, stage["$unset"], None, now)
            continue
        computed = {path: evaluate(expression, result, now) for path, expression in _only(stage, "$set").items()}
        for path, value in computed.items():
            _set(result, path, value, now)
    return result


def projected(document: Document, projection: Mapping[str, Any] | None) -> Document:
    """Return the included fields, or all but the excluded ones; `{"$slice": -1}` keeps an array's last element."""
    if not projection:
        return copied(document)
    if not any(projection.values()):
        return copied({name: value for name, value in document.items() if name not in projection})
    wanted = {name: document[name] for name in ("_id", *projection) if name in document}
    for name, how in projection.items():
        if isinstance(how, Mapping) and name in wanted:
            if how != {"$slice": -1}:
                raise NotImplementedError(how)
            if isinstance(wanted[name], list):
                wanted[name] = wanted[name][-1:]
    return copied(wanted)


def evaluate(expression: Any, document: Document, now: datetime) -> Any:
    """Return the value of an aggregation expression."""
    if expression == "$$NOW":
        return now
    if isinstance(expression, str) and expression.startswith("$"):
        value = value_at(document, expression[1:])
        return None if value is _ABSENT else value
    if isinstance(expression, list):
        return [evaluate(part, document, now) for part in expression]
    return _evaluate_object(expression, document, now) if isinstance(expression, Mapping) else expression


def value_at(document: Document, path: str) -> Any:
    """Return the value at a dotted path, or `_ABSENT`."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
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


def _holds(value: Any, condition: Any) -> bool:
    if not (isinstance(condition, Mapping) and any(name.startswith("$") for name in condition)):
        return _equals(value, condition)
    return all(_operator_holds(value, name, argument) for name, argument in condition.items())


def _operator_holds(value: Any, name: str, argument: Any) -> bool:
    if name in _ORDERINGS:  # values of different types do not compare
        return type(value) is type(argument) and bool(_ORDERINGS[name](value, argument))
    match name:
        case "$eq":
            return _equals(value, argument)
        case "$in":
            return any(_equals(value, one) for one in argument)
        case "$not":
            return not _holds(value, argument)
        case "$exists":
            return (value is not _ABSENT) is bool(argument)
        case "$type" if argument in _TYPES:
            return isinstance(value, _TYPES[argument])
    raise NotImplementedError(name)


def _equals(value: Any, wanted: Any) -> bool:
    return (value is _ABSENT or value is None) if wanted is None else bool(value == wanted)


def _parent(document: Document, path: str) -> tuple[Document, str]:
    *parents, last = path.split(".")
    for name in parents:
        document = document.setdefault(name, {})
        if not isinstance(document, dict):
            raise NotApplicable(28)
    return document, last


def _set(document: Document, path: str, argument: Any, _: datetime) -> None:
    parent, name = _parent(document, path)
    parent[name] = copied(argument)


def _unset(document: Document, path: str, _argument: Any, _: datetime) -> None:
    if value_at(document, path) is not _ABSENT:
        parent, name = _parent(document, path)
        del parent[name]


def _increase(document: Document, path: str, argument: int, _: datetime) -> None:
    parent, name = _parent(document, path)
    if not isinstance(parent.get(name, 0), int | float):
        raise NotApplicable(14)
    parent[name] = parent.get(name, 0) + argument


def _push(document: Document, path: str, argument: Any, _: datetime) -> None:
    parent, name = _parent(document, path)
    if not isinstance(parent.setdefault(name, []), list):
        raise NotApplicable(2)
    parent[name].append(copied(argument))


def _set_now(document: Document, path: str, _argument: Any, now: datetime) -> None:
    _set(document, path, now, now)


def _only(stage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if list(stage) != [name]:
        raise NotImplementedError(stage)
    fields: Mapping[str, Any] = stage[name]
    return fields


def _added(values: Sequence[Any]) -> Any:
    times = [value for value in values if isinstance(value, datetime)]
    numbers = sum(value for value in values if not isinstance(value, datetime))
    return times[0] + timedelta(milliseconds=numbers) if times else numbers


def _date_difference(parts: Mapping[str, Any]) -> int:
    if parts["unit"] != "millisecond":
        raise NotImplementedError(parts["unit"])
    return int((parts["endDate"] - parts["startDate"]) / timedelta(milliseconds=1))


_CHANGES: dict[str, Callable[[Document, str, Any, datetime], None]] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _increase,
    "$push": _push,
    "$currentDate": _set_now,
}
_TYPES = {"date": datetime, "string": str}
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
}
