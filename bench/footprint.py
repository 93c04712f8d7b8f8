"""What the services need besides CPU time: memory, and time to start."""

import time

from bench.cases import Plan, load, new_order, show
from bench.results import Results
from bench.system import SERVICES, System

TOP_UP_SECONDS = 10
TOP_UP_LOADS = 12


def memory(system: System, plan: Plan, results: Results) -> None:
    """Measure the memory of the services now, and again with `plan.orders` orders in the database.

    After two minutes of load, measure with fewer.
    """
    results.memory_mib[system.orders.estimated_document_count()] = system.memory()
    for _ in range(TOP_UP_LOADS):
        if system.orders.estimated_document_count() < plan.orders:
            show("more orders", load(new_order(system, None), TOP_UP_SECONDS))
    results.memory_mib[system.orders.estimated_document_count()] = system.memory()


def starts(system: System, plan: Plan, results: Results) -> None:
    """Measure the time from the start of a service's process until it is ready."""
    for _ in range(plan.rounds):
        for part in SERVICES:
            system.stop(part)
            started = time.monotonic()
            system.start(part)
            system.await_ready(part)
            results.start_seconds.setdefault(part.removesuffix("-0"), []).append(time.monotonic() - started)
