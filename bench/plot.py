"""Draws the main result of a run as SVG: orders per second, and CPU time per order, at one number of connections."""

from collections.abc import Sequence
from statistics import median

from bench.cases import CONNECTIONS
from bench.contenders import NOTHING, OURS, PEERS
from bench.measure import Sample
from bench.results import Results
from bench.tables import TOTAL, total_cpu
from observability.drawing import FONT, PALETTE, rectangle, text

ROW, TOP, NAMES, PANEL, GAP = 34, 64, 200, 300, 90  # pixels; NAMES is the width of the names, GAP that of a figure
GREY = "#8e979f"
COLORS = dict(zip(TOTAL, PALETTE, strict=False))
LABELS = {"app": "API", "mongod": "MongoDB", "broker": "Kafka", "processor": "order-processor"}
NO_ORDERS = {peer.name for peer in PEERS if peer.promise == NOTHING}


def svg(results: Results) -> str:
    """Return the picture. It leaves out the programs that store nothing, beside which the others would be small."""
    found = {
        name: by_load[CONNECTIONS]
        for name, by_load in results.closed_loop.items()
        if CONNECTIONS in by_load and name not in NO_ORDERS
    }
    most = max(sample.per_second for samples in found.values() for sample in samples)
    dearest = max(total_cpu(sample) for samples in found.values() for sample in samples)
    speed_left, cpu_left = NAMES, NAMES + PANEL + GAP
    width, height = cpu_left + PANEL + GAP, TOP + ROW * len(found) + 10
    parts = [rectangle((0, 0, width, height), "#ffffff")]
    parts.append(text(speed_left, 24, f"orders per second, {CONNECTIONS} connections", size=14, weight="bold"))
    parts.append(text(speed_left, 44, "median; the line is from the lowest to the highest round"))
    parts.append(text(cpu_left, 24, "CPU time per order, µs (less is better)", size=14, weight="bold"))
    parts.extend(_legend(cpu_left))
    for number, (name, samples) in enumerate(found.items()):
        y = TOP + ROW * number
        parts.append(text(8, y + 17, name, size=12, weight="bold" if name == OURS else "normal"))
        parts.extend(_speed(samples, speed_left, y, PANEL / most, color=PALETTE[0] if name == OURS else GREY))
        parts.extend(_cpu(samples, cpu_left, y, PANEL / dearest))
    size = f"width='{width}' height='{height}' viewBox='0 0 {width} {height}'"
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>", *parts, "</svg>\n"])


def _legend(left: float) -> list[str]:
    parts = []
    for number, (group, label) in enumerate(LABELS.items()):
        x = left + number * 82
        parts.append(rectangle((x, 35, 10, 10), COLORS[group]))
        parts.append(text(x + 14, 44, label))
    return parts


def _speed(samples: Sequence[Sample], left: float, y: float, scale: float, *, color: str) -> list[str]:
    rates = [sample.per_second for sample in samples]
    low, middle, high = (left + scale * rate for rate in (min(rates), median(rates), max(rates)))
    return [
        rectangle((left, y, middle - left, 24), color),
        rectangle((low, y + 11, max(1.0, high - low), 2), "#24292e"),
        text(high + 6, y + 17, f"{median(rates):,.0f}"),
    ]


def _cpu(samples: Sequence[Sample], left: float, y: float, scale: float) -> list[str]:
    """Return the bar of the round whose total is the median, or the higher one of the two in the middle."""
    sample = sorted(samples, key=total_cpu)[len(samples) // 2]
    parts, x = [], left
    for group in LABELS:
        length = scale * sample.cpu_us.get(group, 0.0)
        parts.append(rectangle((x, y, length, 24), COLORS[group]))
        x += length
    return [*parts, text(x + 6, y + 17, f"{total_cpu(sample):,.0f}")]
