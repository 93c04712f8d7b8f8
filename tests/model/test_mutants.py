"""For each safeguard: a short history that keeps all promises, but breaks one if the safeguard is switched off."""

from collections.abc import Callable
from contextlib import nullcontext

import pytest

from model import promises
from model.harness import HistoryHarness
from model.mutants import MUTANTS, NO_RECONCILIATION, Mutant
from model.promises import PromiseBroken


def run_history(history: Callable[[HistoryHarness], None]) -> None:
    """Run a history and then heal all faults; raise PromiseBroken if a promise breaks."""
    harness = HistoryHarness(seed=0)
    history(harness)
    promises.check(harness)
    promises.check_end(harness, harness.heal())


@pytest.mark.usefixtures("_silence")
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safeguard for mutant in MUTANTS])
def test_history_breaks_a_promise_only_without_its_safeguard(
    mutant: Mutant, record_property: Callable[[str, object], None]
) -> None:
    record_property("safeguard", mutant.safeguard)
    record_property("history", mutant.history.__name__)
    with NO_RECONCILIATION() if mutant.alone else nullcontext():
        run_history(mutant.history)
        with mutant.patch(), pytest.raises(PromiseBroken) as caught:
            run_history(mutant.history)

    record_property("message", str(caught.value))
