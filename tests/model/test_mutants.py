"""Each safeguard is switched off in the real code, and a random history sees a promise broken."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from model.mutants import MUTANTS, Mutant, switched_off
from model.promises import PromiseBroken
from model.test_histories import Histories

MOST_HISTORIES = 3000


class Counted(Histories):
    """Histories that count themselves."""

    count = 0

    def __init__(self) -> None:
        super().__init__()
        Counted.count += 1


@pytest.mark.usefixtures("_silence")
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.safeguard for mutant in MUTANTS])
def test_a_history_catches(mutant: Mutant, record_property: Callable[[str, object], None]) -> None:
    Counted.count = 0
    with switched_off(mutant), pytest.raises(PromiseBroken) as caught:
        run_state_machine_as_test(
            Counted,
            settings=settings(
                max_examples=MOST_HISTORIES,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate],
            ),
        )
    record_property("safeguard", mutant.safeguard)
    record_property("histories", Counted.count)
    record_property("message", str(caught.value))
