"""The whole system runs with planted secrets; nothing that the run leaves contains them, except where they belong."""

import pytest

from support import planted
from support.planted import PlantedRun


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PlantedRun:
    return planted.run(tmp_path_factory.mktemp("planted"))


# `but` names the secrets that belong in a place: the topic contains the items of orders, and a poison message.
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
def test_no_planted_secret_appears_where_it_does_not_belong(run: PlantedRun, place: str, but: tuple[str, ...]) -> None:
    assert len(run.planted) >= 18
    assert run.leaks(place, but=but) == []


def test_search_finds_values_in_their_expected_places(run: PlantedRun) -> None:
    """The search finds the values that must be there, which proves that it looks in the right places."""
    events = b"".join(run.left["events"])
    assert run.planted["item"].encode() in events
    assert run.planted["poison"].encode() in events
    assert {headers["api-key"] for headers in run.export_headers} == {run.planted["collector"]}
    assert b"retail_http_request_duration_seconds" in b"".join(run.left["metrics"])
    assert any(b"order_processor" in line or b"order-processor" in line for line in run.left["process lists"])
    assert any(b'"order_failed"' in line and b"WriteError" in line for line in run.left["logs"])
    assert any(b'"path":"/orderdetails","status":503' in line for line in run.left["logs"])
    assert any(b"BrokenEvent" in value for value in run.left["dead letters"])
