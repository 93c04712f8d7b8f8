"""Places orders at a rate, records every request and response in a ledger, and checks each order's outcome."""

from load_generator.options import Options
from load_generator.run import Summary, run

__all__ = ["Options", "Summary", "run"]
