"""Secrets planted in a run of the whole system appear nowhere in what it leaves behind, except where they belong."""

import pytest

from support import planted
from support.planted import PlantedRun


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PlantedRun:
    return planted.run(tmp_path_factory.mktemp("planted"))


# What belongs where: items in the event of their order, and an event that was sent by hand in the topic.
@pytest.mark.parametrize(
    ("place", "but"),
    [
        ("logs", ()),
        ("metrics", ()),
        ("traces", ()),
        ("events", ("item", "poison")),
        ("dead letters", ()),
        ("error bodies", ()),
        ("process lists", ()),
    ],
)
def test_no_planted_secret_is_in(run: PlantedRun, place: str, but: tuple[str, ...]) -> None:
    assert len(run.planted) >= 18
    assert run.leaks(place, but=but) == []


def test_search_finds_values_in_their_expected_places(run: PlantedRun) -> None:
    """Otherwise the test above could find nothing because it looks in the wrong place."""
    events = b"".join(run.left["events"])
    assert run.planted["item"].encode() in events
    assert run.planted["poison"].encode() in events
    assert {headers["api-key"] for headers in run.export_headers} == {run.planted["collector"]}
    assert b"retail_http_request_duration_seconds" in b"".join(run.left["metrics"])
    assert any(b"order_processor" in line or b"order-processor" in line for line in run.left["process lists"])
    assert any(b"BrokenEvent" in value for value in run.left["dead letters"])
