"""Another try for orders that are FAILED, told apart from those that need none and those that cannot have one."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from retail_cli.reports import Redriven
from shared.mongo import halves, is_document_error
from shared.ordering.status import Status
from shared.ordering.transitions import State

BY = "operator"
AT_A_TIME = 500
ON_ITS_WAY = "it is PLACED, and its event on its way"
NOT_KNOWN = "no answer came: look again, or repeat the redrive, which does no harm"


class Clock(Protocol):
    """What tells the time by which histories are written."""

    def now(self) -> datetime:
        """Return the database's time."""


class Moves(Protocol):
    """What moves orders: `shared.ordering.transitions.OrderTransitions`."""

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        """Return the state of each of `ids` that exists."""

    def redrive(self, ids: Sequence[str], *, at: datetime, by: str, reason: str | None = None) -> int:
        """Move those of `ids` that are FAILED back to PLACED; return how many."""


def redrive(clock: Clock, moves: Moves, orderids: Sequence[str], reason: str, *, dry_run: bool) -> Iterator[Redriven]:
    """Redrive each order that is FAILED, and say of every one what became of it. Safe to repeat, and to interrupt.

    When MongoDB does not answer a change, its orders are told as unknown before the error is raised.
    """
    for begin in range(0, len(orderids), AT_A_TIME):
        page = orderids[begin : begin + AT_A_TIME]
        states = moves.states(page)
        failed = [orderid for orderid in page if orderid in states and states[orderid].status is Status.FAILED]
        yield from (_left_alone(orderid, states.get(orderid)) for orderid in page if orderid not in failed)
        if dry_run:
            yield from (Redriven(orderid, "would redrive", "it is FAILED") for orderid in failed)
        elif failed:
            yield from _all_told(failed, _move(clock.now(), moves, failed, reason))


def _all_told(orderids: Sequence[str], outcomes: Iterator[Redriven]) -> Iterator[Redriven]:
    """Pass the outcomes on; where they break off, tell the orders left as unknown before the error."""
    left = dict.fromkeys(orderids)
    try:
        for outcome in outcomes:
            del left[outcome.orderid]
            yield outcome
    except Exception:
        yield from (Redriven(orderid, "unknown", NOT_KNOWN) for orderid in left)
        raise


def _move(at: datetime, moves: Moves, failed: Sequence[str], reason: str) -> Iterator[Redriven]:
    try:
        moved = moves.redrive(failed, at=at, by=BY, reason=reason)
    except Exception as error:
        if not is_document_error(error):
            raise
        if len(failed) == 1:
            yield Redriven(failed[0], "refused", f"MongoDB refuses the change: {error}")
            return
        for half in halves(failed):  # one of them is refused: only that one is to stay behind
            yield from _move(at, moves, half, reason)
        return
    states = {} if moved == len(failed) else moves.states(failed)
    for orderid in failed:
        state = states.get(orderid)
        ours = moved == len(failed) or (state is not None and state.since == at)
        yield Redriven(orderid, "redriven", ON_ITS_WAY) if ours else _left_alone(orderid, state)


def _left_alone(orderid: str, state: State | None) -> Redriven:
    if state is None:
        return Redriven(orderid, "refused", "there is no such order")
    return Redriven(orderid, "nothing to do", f"it is {state.status or 'of no known status'}")
