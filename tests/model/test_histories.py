"""Random histories of faults with the real relay, handler and reconciliation on stateful fakes.

`HISTORIES=100000` in the environment runs 100,000 of them instead of 1,000. A failure prints the shortest history that
hypothesis finds, and how to reproduce it.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from model import incidents, promises
from model.harness import HistoryHarness, Request, make_order
from model.processes import REFUSED_ITEM

HISTORIES = int(os.environ.get("HISTORIES", "1000"))
STEPS = 30
numbers = st.integers(0, 1)
plans = st.integers(0, len(incidents.INCIDENTS) ** incidents.MAX_INCIDENTS - 1)


class Histories(RuleBasedStateMachine):
    """Each rule is a possible step; `plan` selects what happens at the calls of dependencies during the step."""

    def __init__(self) -> None:
        super().__init__()
        self.harness = HistoryHarness(seed=0)

    @rule(number=numbers, plan=plans, item=st.sampled_from(["apple", REFUSED_ITEM]), key=st.integers(-1, 5))
    def place(self, number: int, plan: int, item: str, key: int) -> None:
        order = make_order(item, len(self.harness.requests) + 1)
        self.harness.requests.append(Request(order, f"key-{key}" if key >= 0 else None))
        self._plan(plan)
        self.harness.place(number, self.harness.requests[-1])

    @rule(number=numbers, plan=plans, which=st.integers(0, 3))
    def repeat(self, number: int, plan: int, which: int) -> None:
        keyed = [request for request in self.harness.requests if request.key]
        if keyed:
            self._plan(plan)
            self.harness.place(number, keyed[-1 - which % len(keyed)])

    @rule(who=st.sampled_from(["publish", "consume", "reconcile"]), number=numbers, plan=plans)
    def work(self, who: str, number: int, plan: int) -> None:
        self._plan(plan)
        getattr(self.harness, who)(number)
        self.harness.seconds += 0.5

    @rule(who=st.sampled_from(["publish", "consume"]), number=numbers, during=st.sampled_from([*incidents.OUTAGES]))
    def work_long(self, who: str, number: int, during: str) -> None:
        with incidents.OUTAGES[during](self.harness):
            for _ in range(10):
                getattr(self.harness, who)(number)
                self.harness.seconds += 0.5

    @rule(who=st.sampled_from(["publish", "consume"]), number=numbers)
    def exclude(self, who: str, number: int) -> None:
        """Toggle whether MongoDB rejects changes of the newest order, and run a process often enough to exclude it."""
        self.harness.toggle_rejection(0, is_excludable=True)
        for _ in range(6):
            getattr(self.harness, who)(number)
            self.harness.seconds += 31

    @rule(what=st.sampled_from([*incidents.BACKGROUND]))
    def happen(self, what: str) -> None:
        incidents.BACKGROUND[what](self.harness)

    @rule(what=st.sampled_from([*incidents.STANDALONE]))
    def happen_alone(self, what: str) -> None:
        incidents.STANDALONE[what](self.harness)

    @invariant()
    def every_promise_is_kept(self) -> None:
        self.harness.plan.clear()
        promises.check(self.harness)

    def teardown(self) -> None:
        seconds = self.harness.heal()
        promises.check_end(self.harness, seconds)

    def _plan(self, plan: int) -> None:
        note(f"during the next step: {', '.join(incidents.names(plan))}")
        incidents.plan(self.harness, plan)


@pytest.mark.usefixtures("_silence")
def test_no_history_breaks_a_promise() -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            print_blob=True,
        ),
    )
