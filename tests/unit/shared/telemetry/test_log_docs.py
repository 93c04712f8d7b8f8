"""docs/logs.md lists exactly the events of the code, with their fields."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
SOURCES = sorted([*ROOT.glob("shared/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")])
ROW = re.compile(r"^\| `(?P<event>\w+)` \| [^|]+ \| [^|]+ \|(?P<fields>[^|]*)\| [^|]+ \|$", re.MULTILINE)
# Functions that log an event whose name is their argument.
WRAPPERS = {"write", "best_effort", "_log_failure", "_fail"}
LEVELS = {"debug", "info", "warning", "error", "exception"}


def documented() -> dict[str, set[str]]:
    text = (ROOT / "docs/logs.md").read_text(encoding="utf-8")
    table = text.partition("<!-- events -->")[2].partition("<!-- /events -->")[0]
    rows = ROW.findall(table)
    assert len(rows) == table.count("\n|") - 2, "a row has another form"
    return {event: set(re.findall(r"`(\w+)`", fields)) for event, fields in rows}


def calls() -> list[tuple[str, ast.Call]]:
    """Return each logging call in the code as a pair: the name of the event, and the call."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            texts = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if texts and is_log_call(node.func):
                found.append((texts[0], node))
    return found


def is_log_call(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute) and function.attr == "log":  # the method of a logger or of a LogThrottle
        return True
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "logger":
        return function.attr in LEVELS
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in WRAPPERS and not (isinstance(function, ast.Attribute) and name == "write")


@cache
def literal_fields() -> dict[str, set[str]]:
    """Return, for each event, the names of the fields that its logging calls pass as keywords."""
    fields: defaultdict[str, set[str]] = defaultdict(set)
    for event, call in calls():
        names = {keyword.arg for keyword in call.keywords if keyword.arg}
        if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
            names.add("exc_info")
        fields[event] |= {"exception" if name == "exc_info" else name for name in names}
    return fields


def test_every_event_of_the_code_is_documented_and_no_other() -> None:
    assert len(literal_fields()) > 40
    assert documented().keys() == literal_fields().keys()


@pytest.mark.parametrize("event", documented())
def test_fields_of_an_event_are_documented(event: str) -> None:
    assert literal_fields()[event] - documented()[event] == set()


def test_documented_fields_exist_in_the_code() -> None:
    names = {
        node.value if isinstance(node, ast.Constant) else node.arg
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant | ast.keyword)
    }

    assert set().union(*documented().values()) - {"exception"} <= names
