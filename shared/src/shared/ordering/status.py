"""The statuses of an order and the legal changes between them; every change requires its source status."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The status of an order. order-api inserts every order as PLACED."""

    PLACED = "PLACED"
    PROCESSED = "PROCESSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Transition:
    """A legal change of status."""

    source: Status
    target: Status


PROCESS = Transition(Status.PLACED, Status.PROCESSED)
FAIL = Transition(Status.PLACED, Status.FAILED)
REDRIVE = Transition(Status.FAILED, Status.PLACED)  # by an operator only

TABLE = (PROCESS, FAIL, REDRIVE)
