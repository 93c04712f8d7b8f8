"""The files of the shop page: small, complete, and in keeping with its content security policy."""

import re
from pathlib import Path

import pytest

CHART = Path(__file__).parents[3] / "charts/retail-orders"
FILES = sorted((CHART / "files/shop").iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
PAGE = (CHART / "files/shop/index.html").read_text(encoding="utf-8")
MAX_BYTES = 200_000


def by_name(path: Path) -> str:
    return path.name


def test_all_files_together_are_below_200_kb() -> None:
    assert len(SCRIPTS) >= 5
    assert sum(path.stat().st_size for path in FILES) < MAX_BYTES


def test_nginx_location_matches_every_file_name() -> None:
    location = re.search(r"location ~ (\S+) \{", (CHART / "files/proxy/shop.conf").read_text(encoding="utf-8"))
    assert location is not None

    assert [path.name for path in FILES if not re.search(location[1], f"/shop/{path.name}")] == []


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_no_file_loads_anything_from_another_host(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")

    assert re.findall(r"https?://[a-z0-9]\S*|[\"'(]//\S*|\burl\(", text) == []


def test_page_has_no_inline_script_or_style() -> None:
    assert re.findall(r"<style|<script(?![^>]* src=)|\sstyle=|\son[a-z]+=|javascript:", PAGE) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_scripts_never_turn_text_into_markup_or_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert (
        re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\.style\b", text) == []
    )
    assert text.count("\n") <= 250


@pytest.mark.parametrize("path", SCRIPTS, ids=by_name)
def test_scripts_refer_only_to_existing_files_and_elements(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    made = set(re.findall(r'\bid: "([a-z-]+)"', "".join(p.read_text(encoding="utf-8") for p in SCRIPTS)))
    elements = set(re.findall(r'\bid="([a-z-]+)"', PAGE)) | made

    assert {name for name in re.findall(r'from "\./([a-z]+\.js)"', text) if not (path.parent / name).exists()} == set()
    assert set(re.findall(r'byId\("([a-z-]+)"\)', text)) - elements == set()


def test_only_api_js_sends_requests_to_the_apis() -> None:
    """main.js also calls `fetch`, but only for the list of links."""
    senders = {path.name: path.read_text(encoding="utf-8").count("fetch(") for path in SCRIPTS}

    assert {name: count for name, count in senders.items() if count} == {"api.js": 1, "main.js": 1}
