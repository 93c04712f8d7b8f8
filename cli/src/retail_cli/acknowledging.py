"""The report of `retail dead-letters acknowledge`; see `reports` for the rules."""

from msgspec import Struct

from retail_cli.rendering import Lines, table


class Acknowledgement(Struct, frozen=True):
    """The last of the dead letters; `outcome` is `acknowledged`, or `nothing to do` if they were before."""

    id: str
    outcome: str


def acknowledgement(report: Acknowledgement) -> Lines:
    """Draw the outcome."""
    yield table("Acknowledgement", ["up to", "outcome"], [[report.id, report.outcome]])
