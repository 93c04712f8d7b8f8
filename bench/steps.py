"""Steps of an order: each alone, without HTTP, and the drains of orders that wait."""

import os

from bench import backlog, limits, measure
from bench.cases import Plan, show, turns
from bench.contenders import REPOSITORY
from bench.measure import Sample
from bench.results import Results
from bench.system import API, PROCESSOR, System
from shared.ordering import outbox_entry, schema

BACKLOG_SECONDS = 60  # limit for working off a backlog


def single_steps(system: System, plan: Plan, results: Results) -> None:
    """Measure single steps of an order without HTTP."""
    results.limits = {name: [] for name in limits.LIMITS}
    for number in range(plan.rounds):
        for name, _ in turns(limits.LIMITS.items(), number):
            if name not in limits.BACKLOG_STEPS:
                results.limits[name].append(limit(system, name, plan.seconds))


def drains(system: System, plan: Plan, results: Results) -> None:
    """Let orders wait, and measure how fast the relay publishes them and how fast order-processor processes them.

    In the same rounds, measure what MongoDB and Kafka can do of these without the rest.
    """
    alone = system.collection(limits.DATABASE, schema.COLLECTION)
    for _ in range(plan.rounds):
        for name in limits.BACKLOG_STEPS:
            alone.drop()
            schema.ensure(alone)
            backlog.fill(alone, plan.backlog)
            results.limits.setdefault(name, []).append(limit(system, name, BACKLOG_SECONDS))
        alone.drop()
        system.stop(PROCESSOR)
        try:
            backlog.fill(system.orders, plan.backlog)
            sample = backlog.drain(system.orders, outbox_entry.PENDING, system.pids(app=API) | system.servers())
            show("the relay publishes", sample)
            results.drains.setdefault("the relay publishes", []).append(sample)
        finally:
            system.start(PROCESSOR)
        watched = system.pids(processor=PROCESSOR) | system.servers()
        sample = backlog.drain(system.orders, backlog.UNPROCESSED, watched)
        show("order-processor processes", sample)
        results.drains.setdefault("order-processor processes", []).append(sample)


def limit(system: System, name: str, seconds: int) -> Sample:
    """Measure one step of bench.limits."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **system.client()}
    sample = measure.limit(name, seconds=seconds, environment=environment, watched=system.servers())
    show(f"alone: {name}", sample)
    return sample
