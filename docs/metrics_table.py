"""Writes the table of metrics between the markers of docs/observability.md: `make metrics-docs`."""

from importlib import import_module, util
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry

from local_stack.options import SERVICES
from shared.telemetry import metrics
from shared.telemetry.registry import new_registry

DOCUMENT = Path(__file__).parent / "observability.md"
BEGIN, END = "<!-- metrics -->\n", "<!-- /metrics -->"


def modules() -> dict[str, ModuleType]:
    """Return the modules that define metrics, by the service that exports them."""
    own = {service: f"{service.replace('-', '_')}.metrics" for service in SERVICES}
    found = {service: import_module(name) for service, name in own.items() if util.find_spec(name)}
    return {"several": metrics} | found


def table() -> str:
    """Return the table: every metric once, with its type, its help text and the service that exports it."""
    lines = ["| metric | type | what | exported by |", "|---|---|---|---|"]
    for owner, module in modules().items():
        for group in vars(module).values():
            if isinstance(group, type) and group.__module__ == module.__name__:
                registry = CollectorRegistry()
                group(registry)
                lines += _rows(registry, owner)
    base = new_registry("order-api")
    lines += [row for row in _rows(base, "all") if not row.startswith("| `python_gc")]
    return "\n".join(lines) + "\n"


def _rows(registry: CollectorRegistry, owner: str) -> list[str]:
    suffixes = {"counter": "_total", "info": "_info"}
    return [
        f"| `{family.name}{suffixes.get(family.type, '')}` | {family.type} | {family.documentation} | {owner} |"
        for family in registry.collect()
    ]


def filled(document: str) -> str:
    """Return the document with the current table."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError("docs/observability.md does not contain both markers")
    return head + begin + table() + end + tail


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
