"""The page of the benchmark's results."""

from pathlib import Path

import pytest

from bench import page, report, results
from bench.contenders import NAIVE, OURS
from bench.measure import Sample
from bench.results import Results

DOCS = Path(page.__file__).parents[1] / "docs"


def found(requests: int) -> Results:
    samples = [Sample(requests, 10.0, 0, 5.0, 10.0, {"app": 350.0, "mongod": 100.0, "broker": 50.0, "load": 7.0})]
    return Results("2 cores", 1, 10, closed_loop={NAIVE.name: {32: samples}, OURS: {32: samples}})


@pytest.fixture
def markdown(tmp_path: Path) -> Path:
    (tmp_path / page.PICTURE).parent.mkdir()
    return tmp_path / "page.md"


def test_only_the_marked_part_of_the_page_is_replaced(markdown: Path) -> None:
    markdown.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")

    page.write(found(1_000), markdown)
    page.write(found(2_000), markdown)
    begin, end = f"before\n{page.BEGIN}\n\n![", f"\n\n{page.END}\nafter\n"
    text = markdown.read_text(encoding="utf-8")
    assert text.startswith(begin)
    assert text.endswith(end)
    assert report.text(found(2_000)) in text
    assert "old" not in text


def test_picture_is_written_beside_the_page(markdown: Path) -> None:
    markdown.write_text(page.BEGIN + page.END, encoding="utf-8")

    page.write(found(1_000), markdown)
    assert f"]({page.PICTURE})" in markdown.read_text(encoding="utf-8")
    assert (markdown.parent / page.PICTURE).read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize("content", ["", page.BEGIN, page.END + page.BEGIN, 2 * (page.BEGIN + page.END)])
def test_page_without_one_marked_part_is_rejected(markdown: Path, content: str) -> None:
    markdown.write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match="must contain once each"):
        page.write(found(1_000), markdown)
    assert markdown.read_text(encoding="utf-8") == content


def test_committed_page_and_picture_show_the_committed_results(markdown: Path) -> None:
    committed = (DOCS / "performance.md").read_text(encoding="utf-8")
    markdown.write_text(committed, encoding="utf-8")

    page.write(results.read(DOCS / "performance.json"), markdown)
    assert markdown.read_text(encoding="utf-8") == committed
    assert (markdown.parent / page.PICTURE).read_bytes() == (DOCS / page.PICTURE).read_bytes()
