"""MongoDB's query and update language, as far as the services use it.

tests/behaviour runs the stores on this fake and on a real server.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from fakes.expressions import ABSENT, ORDERINGS, Document, copied, evaluate, value_at

Update = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class NotApplicable(ValueError):  # noqa: N818
    """Raised when an update does not fit the document; `code` is MongoDB's error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the update does not fit the document: code {code}")
        self.code = code


def matches(document: Document, query: Mapping[str, Any]) -> bool:
    """Return whether a document matches a query."""
    return all(
        any(matches(document, part) for part in condition)
        if path == "$or"
        else _holds(_values_at(document, path), condition)
        for path, condition in query.items()
    )


def updated(document: Document, update: Update, now: datetime) -> Document:
    """Return a copy of the document with the update applied; `now` is the server's time."""
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
    """Return a copy with only the included fields and `_id`, or without the excluded fields.

    `{"$slice": -1}` includes only the last element of an array.
    """
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


def _values_at(document: Document, path: str) -> list[Any]:
    """Return all values at a dotted path, which may pass through arrays; ABSENT where there is none."""
    value: Any = document
    names = path.split(".")
    for place, name in enumerate(names):
        if isinstance(value, list):
            rest = ".".join(names[place:])
            return [found for element in value for found in _values_at(element, rest)] or [ABSENT]
        if not isinstance(value, dict) or name not in value:
            return [ABSENT]
        value = value[name]
    return [value]


def _holds(values: list[Any], condition: Any) -> bool:
    if not (isinstance(condition, Mapping) and any(name.startswith("$") for name in condition)):
        return any(_equals(value, condition) for value in values)
    return all(
        not _holds(values, argument)
        if name in ("$not", "$ne")
        else any(_operator_holds(value, name, argument) for value in values)
        for name, argument in condition.items()
    )


def _operator_holds(value: Any, name: str, argument: Any) -> bool:
    if name in ORDERINGS:  # compares only values of the same type; MongoDB also compares int with double
        return type(value) is type(argument) and bool(ORDERINGS[name](value, argument))
    match name:
        case "$eq":
            return _equals(value, argument)
        case "$in":
            return any(_equals(value, one) for one in argument)
        case "$exists":
            return (value is not ABSENT) is bool(argument)
        case "$regex":
            return isinstance(value, str) and re.search(argument, value) is not None
        case "$type":
            return any(_is_of_type(value, one) for one in ([argument] if isinstance(argument, str) else argument))
    raise NotImplementedError(name)


def _is_of_type(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and not (name == "number" and isinstance(value, bool))


def _equals(value: Any, wanted: Any) -> bool:
    return (value is ABSENT or value is None) if wanted is None else bool(value == wanted)


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
    if value_at(document, path) is not ABSENT:
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


_CHANGES: dict[str, Callable[[Document, str, Any, datetime], None]] = {
    "$set": _set,
    "$unset": _unset,
    "$inc": _increase,
    "$push": _push,
    "$currentDate": _set_now,
}
_TYPES = {"date": datetime, "string": str, "bool": bool, "number": int | float, "object": dict, "array": list}
