"""The systems in which rows run, by name; at most one runs at a time."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from faults.harness.system import System
from local_stack.options import StackOptions

SEED = int(os.environ.get("SEED", "20261124"))
SHAPES: dict[str, dict[str, Any]] = {
    "small": {"counts": {"order-processor": 3}},
    "tight": {},
    "proxied": {"counts": {"order-processor": 2}},
    "cluster": {"brokers": 3, "mongo_members": 3, "counts": {"order-processor": 2}},
}


class Systems:
    """Starts a system on demand and stops the previous one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = ""
        self._stack = ExitStack()

    def get(self, name: str) -> System:
        """Return the running system of this name; start it first if necessary."""
        if name != self._name:
            self.close()
            options = StackOptions(root=self.folder / name, **SHAPES[name])
            self._system = System(options, seed=SEED, proxied=name == "proxied")
            self._stack.callback(self._system.close)
            self._system.start()
            self._name = name
        return self._system

    def close(self) -> None:
        """Stop the running system."""
        self._name = ""
        self._stack.close()
