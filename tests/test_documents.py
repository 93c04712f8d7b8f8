"""Documents that name settings, modules or tests are held to the code."""

import importlib.util
import re
from pathlib import Path

from shared.http.problem import TYPES

ROOT = Path(__file__).parents[1]
MEMBERS = ("shared", "services/*", "local", "cli", "loadtest")
SOURCES = sorted(path for member in MEMBERS for path in ROOT.glob(f"{member}/src/**/*.py"))


def test_readme_settings_table_is_current() -> None:
    """`make settings-docs` writes it."""
    spec = importlib.util.spec_from_file_location("settings_table", ROOT / "docs/settings_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert module.filled(readme) == readme
    assert readme.count("| `MONGODB_URI` |") == 1


def test_architecture_lists_at_most_14_existing_modules_for_an_order() -> None:
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
