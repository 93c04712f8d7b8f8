"""Load with a ledger: places orders at a rate, never loses track of one, and checks afterwards what became of each."""

from retail_cli.load.options import Options
from retail_cli.load.run import Summary, run

__all__ = ["Options", "Summary", "run"]
