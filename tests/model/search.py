"""Searches all interleavings breadth-first, so that the first violation found has the shortest trace."""

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from model import mongodb, order_api, order_processor, relay
from model.simplify import simplify
from model.state import PLACED, Faults, Reconciler, Safeguards, State, Step

STEPS: tuple[Callable[[State, Safeguards], Iterator[Step]], ...] = (
    order_api.place,
    relay.fast_path,
    relay.sweep,
    relay.deliver,
    relay.remove_entries,
    order_api.crash_api,
    order_api.redrive,
    order_api.include,
    order_processor.handle,
    order_processor.reconcile,
    order_processor.crash_processor,
    order_processor.lose_log,
    lambda state, _: mongodb.replicate(state),
    lambda state, _: mongodb.catch_up(state),
    lambda state, _: mongodb.fail_over(state),
)


@dataclass
class Outcome:
    """The result of a search: the reached states, and the shortest trace to a broken promise, if any."""

    states: list[State]
    violation: str | None = None
    trace: list[str] = field(default_factory=list)

    @property
    def longest_log(self) -> int:
        """The most events that the topic has in any reached state; below LONGEST_LOG, no state was cut off."""
        return max(len(state.log) for state in self.states)

    def __str__(self) -> str:
        lines = [f"{number:3}. {step}" for number, step in enumerate(self.trace, start=1)]
        return "\n".join([f"{len(self.states):,} states, {self.violation or 'no violation'}", *lines])


def broken_promise(state: State) -> str | None:
    """Return the promise that a state breaks, or None."""
    order = state.newest
    here = "" if order is None else order.id
    if len(state.answered) > 1:
        return "doubled: one request, two orders"
    if state.answered and state.answered != here:
        return f"lost: {state.answered} was answered with 200 but does not exist"
    if any(event != here for event in state.log):
        return "invented: an event of an order that does not exist"
    if order is not None and order.effects > 1:
        return "doubled: two effects of one order"
    return None


def is_settled(state: State) -> bool:
    """Return whether the client has its response and its order is finished."""
    order = state.orders[0]
    return state.all_committed and bool(state.answered) and order is not None and order.status != PLACED


def explore(faults: Faults, guards: Safeguards, *, reconcilers: int = 2, is_merged: bool = True) -> Outcome:
    """Explore all reachable states; stop at the first that breaks a promise.

    A state breaks a promise, too, if no settled state can be reached from it without another fault: it is stuck. Unless
    `is_merged` is false, states that behave the same are merged.
    """
    gc.disable()  # there are many tuples and no cycles; garbage collection would take half of the time
    try:
        return _explore(faults, guards, reconcilers, simplify if is_merged else lambda state, _: state)
    finally:
        gc.enable()


def _explore(
    faults: Faults, guards: Safeguards, reconcilers: int, merge: Callable[[State, Safeguards], State]
) -> Outcome:
    start = State(left=faults, reconcilers=(Reconciler(),) * reconcilers)
    numbers, states = {start: 0}, [start]
    came_from: list[tuple[int, str]] = [(0, "")]
    before: list[list[int]] = [[]]  # for each state, its predecessors by steps that are not faults
    for number, state in enumerate(states):  # the list grows during the iteration
        for steps in STEPS:
            for step in steps(state, guards):
                reached = merge(step.state, guards)
                target = numbers.get(reached)
                if target is None:
                    target = numbers[reached] = len(states)
                    states.append(reached)
                    came_from.append((number, f"{step.actor}: {step.text}"))
                    before.append([])
                    promise = broken_promise(reached)
                    if promise:
                        return Outcome(states, promise, _trace(came_from, target))
                if not step.is_fault:
                    before[target].append(number)
    stuck = _first_stuck(states, before)
    if stuck is None:
        return Outcome(states)
    return Outcome(states, "stuck: nothing finishes the order", _trace(came_from, stuck))


def _first_stuck(states: list[State], before: list[list[int]]) -> int | None:
    can_settle = [is_settled(state) for state in states]
    frontier = [number for number, settled in enumerate(can_settle) if settled]
    while frontier:
        for number in before[frontier.pop()]:
            if not can_settle[number]:
                can_settle[number] = True
                frontier.append(number)
    return next((number for number, ok in enumerate(can_settle) if not ok), None)


def _trace(came_from: list[tuple[int, str]], number: int) -> list[str]:
    steps: list[str] = []
    while number:
        number, text = came_from[number]
        steps.append(text)
    return steps[::-1]
