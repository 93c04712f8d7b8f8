"""docs/operations.md describes every command and every field of the JSON reports."""

from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

from retail_cli import reports
from retail_cli.main import app

TEXT = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")
REPORTS = [kind for kind in vars(reports).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize(
    "report", [kind for kind in REPORTS if kind is not msgspec.Struct], ids=lambda kind: kind.__name__
)
def test_every_field_of_every_json_report_is_described(report: type[msgspec.Struct]) -> None:
    rows = "".join(line for line in TEXT.splitlines() if line.startswith("| `") and "{" in line)

    assert [field for field in report.__struct_fields__ if field not in rows] == []


def test_every_command_is_described() -> None:
    groups = get_command(app).commands  # type: ignore[attr-defined]
    names = [
        f"{name} {sub}".strip() for name, group in groups.items() for sub in getattr(group, "commands", {"": None})
    ]

    assert [name for name in names if f"`retail {name}" not in TEXT] == []
    assert len(names) >= 9
