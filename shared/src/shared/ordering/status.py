"""The one table of an order's statuses: every change is a compare-and-set on its source."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What an order can be. PLACED is given by order-api's insert."""

    PLACED = "PLACED"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of status that is allowed."""

    source: Status
    target: Status


PROCESS = Transition(Status.PLACED, Status.PROCESSED)
FAIL = Transition(Status.PLACED, Status.FAILED)
REDRIVE = Transition(Status.FAILED, Status.PLACED)  # by an operator only

TABLE = (PROCESS, FAIL, REDRIVE)
