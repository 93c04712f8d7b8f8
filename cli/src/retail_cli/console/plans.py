"""The results of dry runs that a person must still confirm. Each plan is carried out at most once."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

KEPT = 20
VALID_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to carry out: `redrive` with the ids of orders, or `reconcile` without ids."""

    kind: str
    order_ids: tuple[str, ...] = ()


class Plans:
    """The plans of the last ten minutes, 20 at most. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._plans: dict[str, tuple[float, Plan]] = {}

    def add(self, plan: Plan) -> str:
        """Keep the plan; return the id to pass to `take`."""
        plan_id = secrets.token_urlsafe(16)
        with self._lock:
            self._plans[plan_id] = (self._clock(), plan)
            while len(self._plans) > KEPT:
                del self._plans[next(iter(self._plans))]
        return plan_id

    def take(self, plan_id: str, kind: str) -> Plan | None:
        """Return the plan and forget it; None if the plan is unknown, of another kind, too old, or already taken."""
        with self._lock:
            made, plan = self._plans.pop(plan_id, (0.0, None))
        return plan if plan and plan.kind == kind and self._clock() - made <= VALID_SECONDS else None
