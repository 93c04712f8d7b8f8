"""Runs first in every service process of a fault test, which has this folder on PYTHONPATH: sets up what was ordered.

`FAULT_ORDERS` names a JSON file, read once at start, whose members are all optional: `crash_point` (see shared.crash),
`clock_offset` in seconds, `clock_jumps` (a list of offsets, one after the other, a second each), `mutant` (a module of
`mutants` to spoil this process with). So a fault needs no new settings of the service, only a restart.
"""

import itertools
import json
import os
import runpy
import threading
import time
from pathlib import Path
from typing import Any


def _orders() -> dict[str, Any]:
    file = Path(os.environ.get("FAULT_ORDERS", ""))
    orders: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return orders


def _travel(offsets: list[float]) -> None:
    """Shift this process's wall clock; the monotonic clock goes on as it does when a real one is set."""
    import time_machine  # noqa: PLC0415 - only where it is needed

    sleep, real = time.sleep, time.time

    def jump() -> None:
        for offset in itertools.cycle(offsets):
            traveller = time_machine.travel(real() + offset, tick=True)
            traveller.start()
            sleep(1)
            traveller.stop()

    if len(offsets) == 1:
        time_machine.travel(real() + offsets[0], tick=True).start()
    else:
        threading.Thread(target=jump, daemon=True).start()


_ordered = _orders()
if "crash_point" in _ordered:
    os.environ["CRASH_POINT"] = _ordered["crash_point"]
if offsets := _ordered.get("clock_jumps") or [o for o in [_ordered.get("clock_offset")] if o]:
    _travel(offsets)
if "mutant" in _ordered:
    runpy.run_path(str(Path(__file__).parent / "mutants" / f"{_ordered['mutant']}.py"))
