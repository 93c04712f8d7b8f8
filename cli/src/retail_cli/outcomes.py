"""Prints the outcomes of commands that may change several orders."""

from collections.abc import Iterable
from functools import partial

from retail_cli import rendering
from retail_cli.output import print_report
from retail_cli.reports import OrderOutcome, OutcomeReport
from retail_cli.session import Refused


def print_outcomes(title: str, outcomes: Iterable[OrderOutcome], *, dry_run: bool, as_json: bool) -> None:
    """Print the outcomes, also those before an error; then raise this error, or Refused if an order was refused."""
    done: list[OrderOutcome] = []
    try:
        done.extend(outcomes)
    finally:
        print_report(OutcomeReport(dry_run, done), partial(rendering.outcomes, title=title), as_json=as_json)
    if refused := [one.orderid for one in done if one.outcome == "refused"]:
        raise Refused(f"refused: {', '.join(refused)}")
