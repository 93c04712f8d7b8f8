"""The report of `retail dead-letters acknowledge`; see `reports` for the rules."""

from msgspec import Struct

from retail_cli.rendering import Lines, table


class Acknowledgement(Struct, frozen=True):
    """The last of the dead letters that were acknowledged."""

    id: str
    outcome: str


def acknowledgement(report: Acknowledgement) -> Lines:
    """Draw the outcome."""
    yield table("Acknowledgement", ["up to", "outcome"], [[report.id, report.outcome]])
