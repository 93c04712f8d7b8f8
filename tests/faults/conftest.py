"""Rows run only when asked for: `FAULTS=short` or `FAULTS=full` (make test-faults-short, make test-faults)."""

import os

collect_ignore_glob = [] if os.environ.get("FAULTS") else ["test_row_*.py"]
