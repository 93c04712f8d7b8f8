"""Writes the table of settings between the markers of the README: `make settings-docs`."""

from importlib import import_module
from pathlib import Path

from local_stack.options import SERVICES
from shared.config.settings import variables

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- /settings -->"


def table() -> str:
    """Return the table: every variable once, in the order of the services, with the services that read it."""
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


def filled(readme: str) -> str:
    """Return the README with the current table."""
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError("the README does not contain both markers")
    return head + begin + table() + end + tail


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
