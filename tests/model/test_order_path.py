"""In every interleaving the design keeps its promises; without one of its safeguards, a promise breaks.

Reconciliation is switched off, too, where it would repair the damage of the missing safeguard. `-s` prints the shortest
counterexample for each missing safeguard. `ORDER_MODEL=large` in the environment combines more faults, which takes
minutes.
"""

import os
from dataclasses import replace

import pytest

from model.relay import LONGEST_LOG
from model.search import explore
from model.simplify import simplify
from model.state import Faults, Safeguards

ALL = Safeguards()
NO_RECONCILIATION = Safeguards(reconciliation=False)  # reconciliation would repair what a missing safeguard breaks

# Combinations of faults, each with the number of reconcilers.
FAULTS = [
    (Faults(), 2),
    (Faults(failovers=2, timeouts=1), 1),
    (Faults(failovers=1, timeouts=1, crashes=1), 1),
    (Faults(failovers=1, losses=1), 1),
    (Faults(losses=1, crashes=1), 2),
    (Faults(losses=1, overtaken=1), 2),
    (Faults(losses=1, rejections=1), 1),
    (Faults(losses=1, poisons=1), 1),
    (Faults(rejections=1, poisons=1), 1),
    (Faults(exclusions=2), 1),
    (Faults(exclusions=1, failovers=1), 1),
    (Faults(exclusions=1, losses=1), 1),
    (Faults(exclusions=1, rejections=1), 1),
]
MORE_FAULTS = [
    (Faults(failovers=2, timeouts=1, crashes=1), 1),
    (Faults(failovers=2, timeouts=1, rejections=1), 1),
    (Faults(failovers=1, losses=1, timeouts=1, crashes=1), 1),
    (Faults(failovers=2, losses=1), 2),
    (Faults(losses=1, crashes=1, overtaken=1), 2),
    (Faults(losses=2, crashes=1), 2),
    (Faults(losses=1, rejections=1), 2),
    (Faults(rejections=1, poisons=1, crashes=1), 1),
    (Faults(exclusions=1, crashes=1, failovers=1), 1),
    (Faults(exclusions=1, losses=1, overtaken=1), 2),
]
LARGE = os.environ.get("ORDER_MODEL") == "large"

DROPPED = [
    ("majority acknowledgement of the insert", replace(ALL, majority_insert=False), Faults(failovers=1), "lost"),
    ("majority read before a replay", replace(ALL, majority_replay=False), Faults(failovers=1, timeouts=1), "lost"),
    (
        "no publish after a failed insert",
        replace(ALL, silent_after_failed_insert=False),
        Faults(failovers=1, timeouts=1),
        "invented",
    ),
    ("majority sweep", replace(ALL, majority_sweep=False), Faults(failovers=1, timeouts=1), "invented"),
    ("conditional update", replace(ALL, conditional_update=False), Faults(crashes=1), "doubled"),
    ("reconciliation when the log is lost", NO_RECONCILIATION, Faults(losses=1), "stuck"),
    ("reconciliation when an event is broken", NO_RECONCILIATION, Faults(poisons=1), "stuck"),
    (
        "claim compared by a removal",
        replace(NO_RECONCILIATION, removal_compares_claim=False),
        Faults(rejections=1),
        "stuck",
    ),
    (
        "due time compared by a removal",
        replace(NO_RECONCILIATION, removal_compares_due=False),
        Faults(rejections=1),
        "stuck",
    ),
    (
        "a new pass when end offsets go backwards",
        replace(ALL, restart_on_shorter_log=False),
        Faults(losses=1),
        "stuck",
    ),
    ("redrive of FAILED orders only", replace(ALL, redrive_only_failed=False), Faults(crashes=1), "doubled"),
    ("outbox entry until delivery", replace(NO_RECONCILIATION, entry_until_delivered=False), Faults(), "stuck"),
    ("commit after write", replace(NO_RECONCILIATION, commit_after_write=False), Faults(crashes=1), "stuck"),
    (
        "majority of the update before the commit",
        replace(NO_RECONCILIATION, majority_update=False),
        Faults(failovers=1),
        "stuck",
    ),
    (
        "outbox entry restored by a redrive",
        replace(NO_RECONCILIATION, redrive_restores_entry=False),
        Faults(rejections=1),
        "stuck",
    ),
    (
        "outbox entry of an excluded order",
        replace(NO_RECONCILIATION, exclusion_keeps_entry=False),
        Faults(exclusions=1),
        "stuck",
    ),
    (
        "outbox entry restored by an include",
        replace(NO_RECONCILIATION, include_restores_entry=False),
        Faults(exclusions=1),
        "stuck",
    ),
]


@pytest.mark.parametrize(("faults", "reconcilers"), FAULTS + (MORE_FAULTS if LARGE else []), ids=str)
def test_no_interleaving_breaks_a_promise(faults: Faults, reconcilers: int) -> None:
    outcome = explore(faults, ALL, reconcilers=reconcilers)
    print(f"{faults}: {outcome}")

    assert outcome.violation is None, str(outcome)
    assert outcome.longest_log < LONGEST_LOG


@pytest.mark.parametrize(("guards", "faults", "promise"), [row[1:] for row in DROPPED], ids=[row[0] for row in DROPPED])
def test_removing_a_safeguard_breaks_a_promise(guards: Safeguards, faults: Faults, promise: str) -> None:
    outcome = explore(faults, guards)
    print(outcome)

    assert outcome.violation is not None
    assert outcome.violation.startswith(promise), str(outcome)


@pytest.mark.parametrize(
    ("guards", "faults"),
    [
        (replace(ALL, entry_until_delivered=False), Faults(crashes=1)),
        (replace(ALL, commit_after_write=False), Faults(crashes=1)),
        (replace(ALL, majority_update=False), Faults(failovers=1)),
        (replace(ALL, redrive_restores_entry=False), Faults(rejections=1)),
        (replace(ALL, removal_compares_claim=False), Faults(rejections=1)),
        (replace(ALL, removal_compares_due=False), Faults(rejections=1)),
    ],
    ids=[
        "outbox entry until delivery",
        "commit after write",
        "majority of the update",
        "outbox entry restored by a redrive",
        "claim compared by a removal",
        "due time compared by a removal",
    ],
)
def test_reconciliation_repairs_the_damage_of_one_missing_safeguard(guards: Safeguards, faults: Faults) -> None:
    assert explore(faults, guards, reconcilers=1).violation is None


@pytest.mark.parametrize(
    "faults",
    [
        Faults(failovers=1, rejections=1),
        Faults(crashes=1, rejections=1),
        Faults(overtaken=1, rejections=1),
        Faults(rejections=1, exclusions=1),
        Faults(failovers=1, timeouts=1, crashes=1),
    ],
    ids=str,
)
def test_reconciliation_is_needed_only_for_lost_and_broken_events(faults: Faults) -> None:
    """The rows above show that it is needed there."""
    assert explore(faults, NO_RECONCILIATION).violation is None


@pytest.mark.parametrize("faults", [Faults(rejections=1), Faults(failovers=1, overtaken=1)], ids=str)
def test_merging_states_neither_hides_nor_adds_any(faults: Faults) -> None:
    merged, all_states = (explore(faults, ALL, is_merged=is_merged).states for is_merged in (True, False))

    assert {simplify(state, ALL) for state in all_states} == {*merged}
    assert len(merged) < len(all_states)


def test_design_relies_on_kafka_dropping_positions_of_deleted_topics() -> None:
    """A consumer that kept a position equal to the end of the new topic would never read the events before it."""
    outcome = explore(Faults(losses=1, poisons=1), replace(ALL, partition_revoked_with_topic=False))

    assert outcome.violation is not None
    assert outcome.violation.startswith("stuck")
