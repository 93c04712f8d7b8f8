"""Markdown tables of medians with their spread."""

from collections.abc import Iterable, Sequence
from statistics import median

from bench.measure import Sample

TOTAL = ("app", "mongod", "broker", "processor", "proxy")  # whose CPU time an order or another request costs


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def spread(values: Sequence[float], digits: int) -> str:
    """Return the median, and in brackets the lowest and the highest value; "-" if there are none."""
    if not values:
        return "-"
    middle = f"{median(values):,.{digits}f}"
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return middle if low == high else f"{middle} ({low}-{high})"


def latency(values: Sequence[float | None]) -> str:
    """Return the spread in ms; if the percentile of a round is a failed request, "failed"."""
    known = [value for value in values if value is not None]
    return spread(known, 1) if len(known) == len(values) else "failed"


def cpu(samples: Sequence[Sample], group: str) -> str:
    """Return the spread of the CPU time of one group of processes in µs; "-" if the group was not measured."""
    return spread([sample.cpu_us[group] for sample in samples if group in sample.cpu_us], 0)


def total_cpu(sample: Sample) -> float:
    """Return the CPU time of one request in microseconds: the sum of the groups in TOTAL."""
    return sum(sample.cpu_us.get(group, 0.0) for group in TOTAL)


def failures(samples: Iterable[Sample]) -> str:
    """Return a remark about failed requests, or nothing."""
    failed = sum(sample.failed for sample in samples)
    return f" ({failed:,} requests failed)" if failed else ""
