"""Writes the tables in the docs whose content comes from the code: `make settings-docs`, `make metrics-docs`."""

import sys
from importlib import import_module, util
from pathlib import Path
from types import ModuleType

from prometheus_client import CollectorRegistry

from local_stack.options import SERVICES
from shared.config.settings import variables
from shared.telemetry import metrics
from shared.telemetry.registry import new_registry

ROOT = Path(__file__).parents[1]


def settings_table() -> str:
    """Return the table of environment variables, in the order of the services, with the services that read each."""
    rows: dict[str, tuple[str, str, list[str]]] = {}
    for service in SERVICES:
        settings = import_module(f"{service.replace('-', '_')}.settings").Settings
        for variable in variables(settings):
            default = "secret" if variable.secret else "mandatory" if variable.default is None else variable.default
            row = rows.setdefault(variable.name, (default, variable.help, []))
            if row[:2] != (default, variable.help):
                raise ValueError(f"{variable.name} has different defaults or descriptions in two services")
            row[2].append(service)
    lines = ["| variable | default | what | read by |", "|---|---|---|---|"]
    for name, (default, text, readers) in rows.items():
        by = "all" if len(readers) == len(SERVICES) else ", ".join(readers)
        shown = default if default in {"secret", "mandatory"} else f"`{default}`" if default else ""
        lines.append(f"| `{name}` | {shown} | {text} | {by} |")
    return "\n".join(lines) + "\n"


def metrics_table() -> str:
    """Return the table of metrics: name, type, help text and who exports it: a service, `several` or `all`."""
    lines = ["| metric | type | what | exported by |", "|---|---|---|---|"]
    for owner, module in _metrics_modules().items():
        for group in vars(module).values():
            if isinstance(group, type) and group.__module__ == module.__name__:
                registry = CollectorRegistry()
                group(registry)
                lines += _rows(registry, owner)
    base = new_registry("order-api")
    lines += [row for row in _rows(base, "all") if not row.startswith("| `python_gc")]
    return "\n".join(lines) + "\n"


def _metrics_modules() -> dict[str, ModuleType]:
    """Return the modules that define metrics, by the service that exports them, or `several`."""
    own = {service: f"{service.replace('-', '_')}.metrics" for service in SERVICES}
    found = {service: import_module(name) for service, name in own.items() if util.find_spec(name)}
    return {"several": metrics} | found


def _rows(registry: CollectorRegistry, owner: str) -> list[str]:
    suffixes = {"counter": "_total", "info": "_info"}
    return [
        f"| `{family.name}{suffixes.get(family.type, '')}` | {family.type} | {family.documentation} | {owner} |"
        for family in registry.collect()
    ]


# Each key is the name in the markers `<!-- name -->` and `<!-- /name -->`. Its value is the function that returns the
# table between the markers, and the document that contains them.
TABLES = {
    "settings": (settings_table, ROOT / "README.md"),
    "metrics": (metrics_table, ROOT / "docs/observability.md"),
}


def filled(name: str) -> str:
    """Return the text of the document that has the table `name`, with this table up to date."""
    table, path = TABLES[name]
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, found_begin, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{path.name} does not contain both markers")
    return head + begin + table() + end + tail


if __name__ == "__main__":
    for chosen in sys.argv[1:]:
        TABLES[chosen][1].write_text(filled(chosen), encoding="utf-8")
