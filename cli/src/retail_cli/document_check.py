"""Finds what is wrong with an order's document. Pure: no I/O.

It finds what the collection's validator rejects, dates that Python cannot represent, text that is not valid UTF-8, and
contradictions between fields. The validator guards inserts and updates, so a document that it rejects has bypassed it:
the document was restored, or another application wrote it.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from bson.objectid import ObjectId

from shared.mongo import Document
from shared.ordering.outbox_entry import EPOCH
from shared.ordering.schema import VALIDATOR
from shared.ordering.status import Status

MAX_TEXT = 60
TYPES: list[tuple[type[Any], tuple[str, ...]]] = [
    (bool, ("bool",)),  # before int: in Python a bool is an int
    (int, ("int", "long")),
    (float, ("double",)),
    (str, ("string",)),
    (datetime, ("date",)),
    (DatetimeMS, ("date",)),
    (dict, ("object",)),
    (list, ("array",)),
    (type(None), ("null",)),
    (Decimal128, ("decimal",)),
    (ObjectId, ("objectId",)),
    (bytes, ("binData",)),
]


def find_problems(document: Document) -> list[str]:
    """Return every error in a document, each with its place: `cost: is double 12.5, must be int or long`.

    Contradictions between fields are looked for only in a document without other errors.
    """
    problems = [*_problems(document, VALIDATOR["$jsonSchema"], ""), *_invalid_texts(document, "")]
    return problems or list(_contradictions(document))


def readable(text: str) -> str:
    """Return a text from a document, with U+FFFD for each byte that is not valid UTF-8."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")


def _problems(value: Any, rule: Mapping[str, Any], place: str) -> Iterator[str]:
    name = place or "document"
    wanted = rule.get("bsonType", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted and not set(wanted) & set(bson_types(value)):
        yield f"{name}: is {_shown(value)}, must be {' or '.join(wanted)}"
    elif "enum" in rule and value not in rule["enum"]:
        yield f"{name}: is {_shown(value)}, must be {' or '.join(rule['enum'])}"
    elif "minimum" in rule and value < rule["minimum"]:
        yield f"{name}: is {value}, must be at least {rule['minimum']}"
    elif isinstance(value, DatetimeMS):
        yield f"{name}: is a date outside the years 1 to 9999"
    elif isinstance(value, list):
        yield from _problems_of_array(value, rule, name)
    elif isinstance(value, dict):
        yield from _problems_of_object(value, rule, f"{place}." if place else "")


def _problems_of_array(entries: list[Any], rule: Mapping[str, Any], name: str) -> Iterator[str]:
    if len(entries) < rule.get("minItems", 0):
        yield f"{name}: is empty"
    for position, entry in enumerate(entries):
        yield from _problems(entry, rule.get("items", {}), f"{name}.{position}")


def _problems_of_object(fields: Mapping[str, Any], rule: Mapping[str, Any], prefix: str) -> Iterator[str]:
    yield from (f"{prefix}{field}: is missing" for field in rule.get("required", ()) if field not in fields)
    for field, inner in rule.get("properties", {}).items():
        if field in fields:
            yield from _problems(fields[field], inner, f"{prefix}{field}")


def _invalid_texts(value: Any, place: str) -> Iterator[str]:
    """Yield each text of the document that is not valid UTF-8, in unknown fields and in names of fields as well."""
    if isinstance(value, str) and readable(value) != value:
        yield f"{place}: is not valid UTF-8: {_shown(value)}"
    elif isinstance(value, dict | list):
        for name, entry in value.items() if isinstance(value, dict) else enumerate(value):
            inner = f"{place}.{name}" if place else str(name)
            if isinstance(name, str) and readable(name) != name:
                inner = readable(inner)
                yield f"{inner}: its name is not valid UTF-8"
            yield from _invalid_texts(entry, inner)


def _contradictions(document: Document) -> Iterator[str]:
    status, last = document["status"], document["history"][-1]["status"]
    if status != last:
        yield f"status: is {status}, but the last entry of history is {last}"
    due = document["outbox"]["due"] if "outbox" in document else None
    if status == Status.PLACED and isinstance(due, str):
        yield f"outbox.due: is {_shown(due)}: no service publishes or fails this order"
    elif status == Status.PLACED and isinstance(due, datetime) and due <= EPOCH:
        yield "outbox.due: is not after 1970, so that no service publishes this order"


def bson_types(value: Any) -> tuple[str, ...]:
    """Return the BSON types that `value` can have in MongoDB; for an unknown Python type, the name of that type."""
    return next((names for kind, names in TYPES if isinstance(value, kind)), (type(value).__name__,))


def _shown(value: Any) -> str:
    if isinstance(value, dict | list | bytes | None):
        return bson_types(value)[0]
    text = readable(str(value))
    return f"{bson_types(value)[0]} {text[:MAX_TEXT]}{'…' if len(text) > MAX_TEXT else ''}"
