"""Documents and code agree: settings, metrics, modules, tests and commands that documents name exist."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from shared.http.problem import TYPES
from support import transcripts

ROOT = Path(__file__).parents[1]
MEMBERS = ("shared", "services/*", "local", "cli", "loadtest")
SOURCES = sorted(path for member in MEMBERS for path in ROOT.glob(f"{member}/src/**/*.py"))
DOCUMENTS = [ROOT / name for name in ("README.md", "CHANGELOG.md", "docs/operations.md", "docs/kubernetes.md")]
TRANSCRIPTS = [example for document in DOCUMENTS for example in transcripts.commands(document)]


def script(name: str) -> ModuleType:
    """Import a script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_settings_table_is_current() -> None:
    """`make settings-docs` updates the table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert script("tables").filled("settings") == readme
    assert readme.count("| `MONGODB_URI` |") == 1


def test_table_of_metrics_is_current() -> None:
    """`make metrics-docs` updates the table."""
    document = (ROOT / "docs/observability.md").read_text(encoding="utf-8")

    assert script("tables").filled("metrics") == document
    assert document.count("| `retail_kafka_consumer_lag` |") == 1


def test_every_alert_is_in_the_operations_guide() -> None:
    rules = (ROOT / "charts/retail-orders/files/alerts.yaml").read_text(encoding="utf-8")
    alerts = re.findall(r"- alert: (\w+)", rules)
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")

    assert len(alerts) > 20
    assert [alert for alert in alerts if f"`{alert}`" not in guide] == []


def test_documented_order_path_names_10_to_14_existing_modules() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \d+ \| `(.+?)` \|", text, re.MULTILINE)

    assert 10 <= len(listed) <= 14
    assert set(listed) <= {str(path).rpartition("/src/")[2] for path in SOURCES}


def test_every_test_that_the_threat_model_names_exists() -> None:
    names = re.findall(r"tests/[\w/]+\.py(?:::\w+)?", (ROOT / "docs/threat-model.md").read_text(encoding="utf-8"))
    missing = []
    for name in names:
        path, _, function = name.partition("::")
        file = ROOT / path
        if not file.exists() or (f"def {function}(" not in file.read_text(encoding="utf-8") and function):
            missing.append(name)

    assert len(names) >= 25
    assert missing == []


def test_errors_page_explains_every_problem_type() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in SOURCES if "Problem(" in path.read_text(encoding="utf-8")
    )
    rules = (ROOT / "charts/retail-orders/files/proxy/rules.conf").read_text(encoding="utf-8")
    of_code = set(re.findall(r'\btype="([a-z-]+)"', code)) | set(TYPES.values())
    of_proxy = set(re.findall(r"set \$problem_type ([a-z-]+);", rules))

    assert set(re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE)) == of_code | of_proxy
    assert set(re.findall(r"^\| \[`([a-z-]+)`\]\(#\1\) \|", page, re.MULTILINE)) == of_code | of_proxy
    assert len(of_proxy) >= 13


def test_every_retail_command_in_a_document_parses() -> None:
    """Every command line has existing commands and options; words in capitals stand for values."""
    mentioned = [line for document in DOCUMENTS for line in transcripts.mentions(document)]
    for line, _ in TRANSCRIPTS:
        transcripts.parse(line)
    for line in mentioned:
        transcripts.parse(line, complete=False)

    assert len(TRANSCRIPTS) >= 25
    assert len(mentioned) >= 20


def test_unknown_option_in_a_transcript_is_rejected() -> None:
    with pytest.raises(Exception, match="No such option: --older"):
        transcripts.parse("retail orders stuck --older 5")


def test_transcripts_show_only_tables_that_retail_draws() -> None:
    drawn = transcripts.drawn()
    shown = [transcripts.layout(output) for _, output in TRANSCRIPTS]

    assert set().union(*(layout.tables for layout in shown)) <= drawn.tables
    assert set().union(*(layout.labels for layout in shown)) <= drawn.labels
    assert sum(len(layout.tables) for layout in shown) >= 20


def test_every_board_has_an_existing_picture_in_the_guide() -> None:
    """The guide shows exactly the pictures that exist, and every board is among them."""
    named = set(re.findall(r"\((pictures/[\w-]+\.svg)\)", (ROOT / "docs/observability.md").read_text(encoding="utf-8")))
    present = {f"pictures/{path.name}" for path in (ROOT / "docs/pictures").iterdir()}
    boards = {f"pictures/{path.stem}.svg" for path in (ROOT / "charts/retail-orders/dashboards").glob("*.json")}

    assert named == present
    assert boards < present
