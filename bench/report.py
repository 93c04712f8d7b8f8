"""Reports of all rounds: medians, spreads and ratios as Markdown tables, and every sample as JSON."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.contenders import OURS
from bench.measure import Sample

Results = Mapping[str, Mapping[int, Sequence[Sample]]]  # samples by contender and number of connections
LIMIT_GROUPS = ("app", "mongod", "broker")
TOTAL = ("app", "mongod", "broker", "processor")


def document(results: Results) -> dict[str, Any]:
    """Return every sample by contender and number of connections, for JSON."""
    return {name: samples({str(n): found for n, found in by_load.items()}) for name, by_load in results.items()}


def samples(found: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """Return samples by name, for JSON; a figure that was not measured is null."""
    return {name: [sample.as_dict() for sample in several] for name, several in found.items()}


def table(results: Results, promises: Mapping[str, str], connections: int, base: str) -> str:
    """Return a Markdown table for one number of connections; ratios compare a round with the same round of `base`."""
    heads = (
        "200 means",
        "orders/s",
        f"of {base}",
        "p50 ms",
        "p99 ms",
        *(f"CPU µs: {group}" for group in TOTAL),
        "total",
    )
    lines = [f"| {connections} connections | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    reference = results[base][connections]
    for name, by_load in results.items():
        samples = by_load[connections]
        ratios = [sample.per_second / other.per_second for sample, other in zip(samples, reference, strict=True)]
        cells = [
            (f"**{name}**" if name == OURS else name) + _failures(samples),
            promises[name],
            _spread([s.per_second for s in samples], 0),
            _spread(ratios, 2) + " x",
            _spread([s.p50_ms for s in samples], 1),
            _spread([s.p99_ms for s in samples], 1),
            *(_spread([s.cpu_us[group] for s in samples], 0) if group in samples[0].cpu_us else "-" for group in TOTAL),
            _spread([total_cpu(s) for s in samples], 0),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def limits_table(limits: Mapping[str, Sequence[Sample]]) -> str:
    """Return a Markdown table of the samples of bench.limits."""
    lines = [f"| limits, without HTTP | a second | {' | '.join(f'CPU µs: {group}' for group in LIMIT_GROUPS)} |"]
    lines.append("|---" * (len(LIMIT_GROUPS) + 2) + "|")
    for name, samples in limits.items():
        cells = [_spread([s.cpu_us[group] for s in samples], 0) for group in LIMIT_GROUPS]
        lines.append(f"| {name} | {_spread([s.per_second for s in samples], 0)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def total_cpu(sample: Sample) -> float:
    """Return the CPU time for one order in microseconds: the sum of the groups in TOTAL."""
    return sum(sample.cpu_us.get(group, 0.0) for group in TOTAL)


def ratio(results: Results, connections: int, base: str) -> tuple[float, float]:
    """Return the median ratios of Retail Orders to `base`: of orders per second, and of CPU time per order."""
    pairs = list(zip(results[OURS][connections], results[base][connections], strict=True))
    speed = median(ours.per_second / other.per_second for ours, other in pairs)
    return speed, median(total_cpu(ours) / total_cpu(other) for ours, other in pairs)


def _failures(samples: Sequence[Sample]) -> str:
    failed = sum(sample.failed for sample in samples)
    return f" ({failed:,} requests failed)" if failed else ""


def _spread(values: Sequence[float], digits: int) -> str:
    middle = f"{median(values):,.{digits}f}"
    low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return middle if low == high else f"{middle} ({low}-{high})"
