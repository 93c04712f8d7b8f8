"""Draws a trace as SVG: one line for each span, in the order of their starts, with time to the right."""

from collections.abc import Sequence
from dataclasses import dataclass

from observability.builder import GREEN, RED
from observability.drawing import COLORS, FONT, formatted, rectangle, text

WIDTH, LABEL, LINE, TOP = 1152, 430, 34, 60
LEAST = 3.0  # pixels: the least width of a bar


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A span: `start` and `end` are Unix times in seconds, `depth` is the number of its ancestors."""

    label: str
    note: str
    start: float
    end: float
    depth: int
    has_failed: bool


def picture(title: str, bars: Sequence[Bar]) -> str:
    """Return the picture of a trace, which has at least one span."""
    begin, end = min(bar.start for bar in bars), max(bar.end for bar in bars)
    scale = (WIDTH - LABEL - 110) / max(end - begin, 0.001)
    height = TOP + LINE * len(bars) + 10
    size = f"width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>",
        rectangle((0, 0, WIDTH, height), "white"),
        text(12, 24, title, size=15, weight="bold"),
        text(LABEL, 46, "0 s", fill="#6c7075"),
        text(LABEL + (end - begin) * scale - 20, 46, formatted(end - begin, "s"), fill="#6c7075"),
    ]
    for number, bar in enumerate(sorted(bars, key=lambda bar: (bar.start, bar.depth))):
        y = TOP + number * LINE
        x, wide = LABEL + (bar.start - begin) * scale, max(LEAST, (bar.end - bar.start) * scale)
        parts += [
            text(12 + 16 * bar.depth, y + 13, bar.label, size=12, weight="bold"),
            text(12 + 16 * bar.depth, y + 26, bar.note, size=10, fill="#6c7075"),
            rectangle((x, y + 4, wide, 18), COLORS[RED if bar.has_failed else GREEN], "rx='2'"),
            text(x + wide + 5, y + 17, formatted(bar.end - bar.start, "s"), size=10),
        ]
    return "\n".join([*parts, "</svg>\n"])
