"""Injects faults into a service process of a fault test; Python runs this module first, from PYTHONPATH.

The folder `FAULT_CONFIG` may contain a JSON file for this process, named after its admin port and read once at start.
All members are optional: `environ` (variables to set), `crash_point` (see shared.resilience.crash), `clock_offset` in
seconds, `clock_jumps` (offsets that alternate each second), `dns_fails` (a file: while it exists, name resolution
fails), `mutant` (a safeguard of model.mutants to switch off). So a new fault needs a restart, but the service needs no
setting for it.
"""

import contextlib
import itertools
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any


def _read_faults() -> dict[str, Any]:
    file = Path(os.environ.get("FAULT_CONFIG", "")) / f"{os.environ.get('ADMIN_BIND', '').rpartition(':')[2]}.json"
    faults: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return faults


def _shift_clock(offsets: list[float]) -> None:
    """Shift the wall clock of this process by one offset, or by each in turn; the monotonic clock is unchanged."""
    import time_machine  # noqa: PLC0415 - only where it is needed

    sleep, real = time.sleep, time.time
    travelling: list[Any] = []

    def jump() -> None:
        for offset in itertools.cycle(offsets):
            while travelling:
                travelling.pop().stop()
            travelling.append(time_machine.travel(real() + offset, tick=True))
            travelling[0].start()
            sleep(1)

    def start() -> None:
        threading.Thread(target=jump, daemon=True).start()

    if len(offsets) == 1:
        time_machine.travel(real() + offsets[0], tick=True).start()
    else:
        start()
        os.register_at_fork(after_in_child=start)  # a forked worker of gunicorn has no copy of the thread


def _fail_dns_while(file: Path) -> None:
    """Let name resolution fail while `file` exists."""
    resolve = socket.getaddrinfo

    def getaddrinfo(*arguments: Any, **options: Any) -> Any:
        if file.exists():
            raise socket.gaierror(socket.EAI_AGAIN, "fault test: no name is resolved")
        return resolve(*arguments, **options)

    socket.getaddrinfo = getaddrinfo


def _switch_off(safeguard: str) -> contextlib.ExitStack:
    """Switch off a safeguard, and reconciliation if the mutant says `alone`, until the returned stack is closed."""
    sys.path.append(str(Path(__file__).parents[2]))
    from model.mutants import NO_RECONCILIATION, ON_SERVERS  # noqa: PLC0415 - only where it is needed

    mutant = ON_SERVERS[safeguard]
    off = contextlib.ExitStack()
    off.enter_context(mutant.patch())
    if mutant.alone:
        off.enter_context(NO_RECONCILIATION())
    return off


_faults = _read_faults()
os.environ.update(_faults.get("environ", {}))
if "crash_point" in _faults:
    os.environ["CRASH_POINT"] = _faults["crash_point"]
if offsets := _faults.get("clock_jumps") or [o for o in [_faults.get("clock_offset")] if o]:
    _shift_clock(offsets)
if "dns_fails" in _faults:
    _fail_dns_while(Path(_faults["dns_fails"]))
if "mutant" in _faults:
    _switched_off = _switch_off(_faults["mutant"])  # kept, so that the safeguard stays off until the process stops
