"""Places orders at a rate, records each attempt and its response in a ledger, and checks each outcome."""

from load_generator.options import Options
from load_generator.run import Summary, run

__all__ = ["Options", "Summary", "run"]
