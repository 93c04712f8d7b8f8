"""The closed loop over all contenders, without servers."""

from typing import Any, cast

import pytest

from bench import cases, rounds
from bench.cases import Case, Plan
from bench.contenders import AGAIN, BARE, FALCON, NAIVE, OURS
from bench.measure import LoadFailedError, Sample
from bench.results import Results

SYSTEM = cast("Any", None)
WHOLE = Plan((BARE, NAIVE, FALCON), (1, 32), rounds=2, seconds=5, whole=True)


class Loads:
    """Records every load instead of sending it; those of one contender fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: str | None = None) -> None:
        self.sent: list[tuple[str, int, int]] = []
        self._failing = failing
        monkeypatch.setattr(rounds, "new_order", self.new_order)
        monkeypatch.setattr(rounds, "load", self.load)

    def new_order(self, _system: Any, peer: Any, connections: int = 32) -> Case:
        return Case(cast("Any", peer.name if peer else OURS), cast("Any", None), connections=connections)

    def load(self, case: Case, seconds: int) -> Sample:
        name = cast("str", case.request)
        self.sent.append((name, case.connections, seconds))
        if name == self._failing:
            raise LoadFailedError("2 of 9 responses had an error status")
        return Sample(100, float(seconds), 0, 1.0, 2.0, {"app": 1.0})


def measured(failing: str | None, monkeypatch: pytest.MonkeyPatch) -> tuple[Loads, Results]:
    loads, results = Loads(monkeypatch, failing), Results("", 2, 5)
    rounds.closed_loop(SYSTEM, WHOLE, results)
    return loads, results


def test_every_contender_has_a_sample_in_every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    _, results = measured(None, monkeypatch)

    counts = {name: {n: len(found) for n, found in by_load.items()} for name, by_load in results.closed_loop.items()}
    all_loads, one_load = {1: 2, 32: 2}, {32: 2}
    assert counts == {
        NAIVE.name: all_loads,
        FALCON.name: all_loads,
        OURS: all_loads,
        AGAIN: one_load,
        BARE.name: one_load,
    }
    assert results.problems == []


def test_warm_up_is_not_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, results = measured(None, monkeypatch)

    warm_up = [sent for sent in loads.sent if sent[2] == rounds.WARM_UP_SECONDS]
    assert {connections for _, connections, _ in warm_up} == {32}
    assert len(warm_up) == 5
    assert all(
        found.seconds == 5 for by in results.closed_loop.values() for several in by.values() for found in several
    )


def test_peer_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    loads, results = measured(FALCON.name, monkeypatch)

    assert results.problems == [f"{FALCON.name} is left out: 2 of 9 responses had an error status"]
    assert FALCON.name not in results.closed_loop
    assert [name for name, _, _ in loads.sent].count(FALCON.name) == 1
    assert len(results.closed_loop[OURS][1]) == 2


@pytest.mark.parametrize("failing", [OURS, NAIVE.name])
def test_failure_of_what_all_are_compared_with_ends_the_run(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadFailedError, match="error status"):
        measured(failing, monkeypatch)


def open_loop(failing: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], Results]:
    """Measure at fixed rates, with a capacity of 100 orders per second; the requests of one contender fail."""
    Loads(monkeypatch)
    rates: list[float] = []

    def at_rate(case: Case, rate: float, _plan: Plan) -> Sample:
        rates.append(rate)
        if cast("Any", case.request) == failing:
            raise LoadFailedError("2 of 9 requests got an error response")
        return Sample(100, 10.0, 0, 1.0, 2.0, {"app": 1.0})

    monkeypatch.setattr(rounds, "_at_rate", at_rate)
    monkeypatch.setattr(rounds, "_delays", lambda _system, _since: (20.0, 40.0))
    results = Results("", 2, 5, closed_loop={OURS: {32: [Sample(1_000, 10.0, 0, 1.0, 2.0, {"app": 1.0})]}})
    rounds.open_loop(SYSTEM, WHOLE, results)
    return rates, results


def test_both_have_the_same_rates_which_are_shares_of_our_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    rates, results = open_loop("nobody", monkeypatch)

    assert sorted(rates) == [25.0] * 4 + [50.0] * 4 + [75.0] * 4
    assert {name: set(found) for name, found in results.open_loop.items()} == {
        NAIVE.name: {25, 50, 75},
        OURS: {25, 50, 75},
    }
    assert results.delays_ms[75] == [(20.0, 40.0)] * 2


def test_overloaded_peer_does_not_end_the_open_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    _, results = open_loop(NAIVE.name, monkeypatch)

    assert results.problems == [f"{NAIVE.name} is left out: 2 of 9 requests got an error response"]
    assert [*results.open_loop] == [OURS]
    assert len(results.open_loop[OURS][75]) == 2


def test_every_other_round_goes_backwards() -> None:
    assert [cases.turns("abc", number) for number in range(3)] == [list("cba"), list("abc"), list("cba")]
