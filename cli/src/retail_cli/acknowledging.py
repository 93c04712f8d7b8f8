"""The report of `retail dead-letters acknowledge`; the rules of the module `reports` apply."""

from msgspec import Struct

from retail_cli.rendering import Lines, table


class Acknowledgement(Struct, frozen=True):
    """The dead letters of a partition up to `id` are acknowledged.

    `outcome` is `acknowledged`, or `nothing to do` if they were acknowledged before.
    """

    id: str
    outcome: str


def acknowledgement(report: Acknowledgement) -> Lines:
    """Draw the acknowledgement."""
    yield table("Acknowledgement", ["up to", "outcome"], [[report.id, report.outcome]])
