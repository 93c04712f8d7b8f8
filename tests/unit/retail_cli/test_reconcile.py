"""`retail orders reconcile`: one pass of the same reconciliation that order-processor runs."""

from collections.abc import Iterator

import pytest
import structlog

from fakes.operator import FakeSession, FakeTopics, order, outbox_entry
from retail_cli import reconciling
from retail_cli.main import disable_logs
from retail_cli.reconciling import run_pass
from shared.mongo import Document
from shared.ordering import reconcile
from shared.ordering.offsets import Offsets
from support.command import printed_json, retail


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Discard log lines, as the command does."""
    disable_logs()
    yield
    structlog.reset_defaults()


def lost(*orderids: str) -> list[Document]:
    others = order("pending", outbox=outbox_entry()), order("done", "PROCESSED")
    return [*(order(one) for one in orderids), *others]


def test_orders_with_a_lost_event_are_requeued() -> None:
    session = FakeSession(*lost("o1", "o2"))

    result = retail(session, "orders", "reconcile", "--json")

    assert result.exit_code == 0
    assert printed_json(result) == {
        "dry_run": False,
        "outcome": "rearmed",
        "examined": 2,
        "rearmed": 2,
        "lag": 0,
        "refused": 0,
        "more": False,
    }
    assert "outbox" in session.order("o1")
    assert session.order("o2")["rearmed"] == 1


@pytest.mark.parametrize(("orderids", "outcome"), [(["o1"], "refused"), (["o1", "o2"], "rearmed")])
def test_update_rejected_by_mongodb_exits_with_1(orderids: list[str], outcome: str) -> None:
    session = FakeSession(*lost(*orderids))
    session.servers.rejected_ids = {"o1"}

    result = retail(session, "orders", "reconcile", "--json")

    report = printed_json(result)
    assert (result.exit_code, report["outcome"], report["refused"]) == (1, outcome, 1)
    assert "rejected the update of 1 order(s)" in result.stderr
    assert "rejected by MongoDB" in retail(session, "orders", "reconcile").stdout


def test_pass_at_its_limit_reports_that_there_may_be_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (reconcile, reconciling):
        monkeypatch.setattr(module, "PASS_LIMIT", 2)

    report = printed_json(retail(FakeSession(*lost("o1", "o2", "o3")), "orders", "reconcile", "--json"))

    assert (report["examined"], report["more"]) == (2, True)
    assert "there may be more" in retail(FakeSession(*lost("o1", "o2", "o3")), "orders", "reconcile").stdout


def test_dry_run_counts_lost_events_and_writes_nothing() -> None:
    session = FakeSession(*lost("o1", "o2"))

    result = retail(session, "orders", "reconcile", "--dry-run")

    assert result.exit_code == 0
    assert "would be requeued 2" in " ".join(result.stdout.replace("  ", " ").split())
    assert "outbox" not in session.order("o1")


def test_reconcile_without_candidates_changes_nothing() -> None:
    result = retail(FakeSession(*lost()), "orders", "reconcile", "--json")

    assert (result.exit_code, printed_json(result)["outcome"]) == (0, "nothing to do")


def test_reconcile_changes_nothing_and_exits_with_1_while_group_lags() -> None:
    session = FakeSession(*lost("o1"), topics=FakeTopics(offsets={0: Offsets(0, 9, 4), 1: Offsets(0, 3, None)}))

    result = retail(session, "orders", "reconcile", "--seconds", "0", "--json")

    assert result.exit_code == 1
    assert printed_json(result)["outcome"] == "undecided"
    assert "8 events are left: is an order-processor running?" in result.stderr
    assert "outbox" not in session.order("o1")


def test_pass_waits_until_the_group_reaches_the_initial_end_offsets() -> None:
    topics = FakeTopics(offsets={0: Offsets(0, 9, 4)})
    session = FakeSession(*lost("o1"), topics=topics)

    def catch_up(_seconds: float) -> None:
        topics.offsets = {0: Offsets(0, 12, 9)}

    report = run_pass(session.transitions, session.orders, topics, dry_run=False, seconds=60, pause=catch_up)

    assert (report.outcome, report.rearmed, report.lag) == ("rearmed", 1, 3)


def test_reconcile_without_kafka_exits_with_3() -> None:
    result = retail(
        FakeSession(*lost("o1"), topics=FakeTopics(unavailable="connection refused")), "orders", "reconcile"
    )

    assert (result.exit_code, result.stderr) == (3, "retail: Kafka is unavailable: connection refused\n")
