"""Draws a board as SVG for the documentation, in Grafana's layout and colours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from observability.builder import GREEN, RED, WIDTH, YELLOW, Board, Panel

Points = Sequence[tuple[float, float]]  # pairs of Unix time and value
Box = tuple[float, float, float, float]  # left, top, width and height
COLUMN, LINE, GAP, TITLE = 48, 30, 6, 22  # pixels
COLORS = {GREEN: "#56a64b", YELLOW: "#e0b400", RED: "#e02f44"}
PALETTE = ("#3274d9", "#ff780a", "#56a64b", "#8f3bb8", "#e02f44", "#0099a8", "#b877d9", "#e0b400", "#7c6a55", "#454d5c")
LEGENDS, LEGEND_LETTERS = 6, 19
LONG_NUMBER = 10_000  # numbers from this one on are written with commas
FONT = "font-family='Helvetica, Arial, sans-serif'"
_SCALES = {
    "s": ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"), (0.001, "ms")),
    "bytes": ((2**20, "MiB"), (2**10, "KiB")),
}


@dataclass(frozen=True)
class Series:
    """A legend and its points, oldest first."""

    legend: str
    points: Points


def formatted(value: float, unit: str) -> str:
    """Return a value as text, with its unit."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    for size, name in _SCALES.get(unit, ()):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}"
    suffix = {"ops": "/s", "reqps": "/s"}.get(unit, "")
    return f"{value:.3g}{suffix}" if abs(value) < LONG_NUMBER else f"{value:,.0f}{suffix}"


def color_of(panel: Panel, value: float) -> str:
    """Return the colour of a value by the panel's thresholds."""
    colors = [color for color, start in panel.steps if start is None or value >= start]
    return COLORS[colors[-1]]


def board(drawn: Board, data: Mapping[str, Sequence[Series]], start: float, end: float) -> str:
    """Return the picture of a board; `data` has the series of each panel by its title, from `start` to `end`."""
    parts: list[str] = []
    bottom = 0
    panels = {panel.title: panel for panel in drawn.panels}
    for content in drawn.json()["panels"]:
        place = content["gridPos"]
        x, y = place["x"] * COLUMN, place["y"] * LINE + LINE
        bottom = max(bottom, y + place["h"] * LINE)
        if content["type"] == "row":
            parts.append(text(GAP, y + 20, content["title"], size=15, weight="bold"))
            continue
        panel = panels[content["title"]]
        box = (x + GAP / 2, y + GAP / 2, place["w"] * COLUMN - GAP, place["h"] * LINE - GAP)
        parts.extend(_panel(panel, data.get(panel.title, ()), box, start, end))
    head = text(GAP, 20, f"Retail Orders / {drawn.title}", size=17, weight="bold")
    size = f"width='{WIDTH * COLUMN}' height='{bottom}' viewBox='0 0 {WIDTH * COLUMN} {bottom}'"
    background = rectangle((0, 0, WIDTH * COLUMN, bottom), "#f4f5f5")
    return "\n".join([f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}>", background, head, *parts, "</svg>\n"])


def text(x: float, y: float, content: str, *, size: int = 11, weight: str = "normal", fill: str = "#24292e") -> str:
    """Return a line of text as SVG; `x` and `y` are where it starts."""
    style = f"font-size='{size}' font-weight='{weight}' fill='{fill}'"
    return f"<text x='{x:.0f}' y='{y:.0f}' {style}>{escape(content)}</text>"


def rectangle(box: Box, fill: str, more: str = "") -> str:
    """Return a filled rectangle as SVG; `more` are further attributes."""
    x, y, width, height = box
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{fill}' {more}/>"


def _panel(panel: Panel, series: Sequence[Series], box: Box, start: float, end: float) -> Iterator[str]:
    x, y, width, height = box
    yield rectangle(box, "white", "stroke='#dcdee0' rx='3'")
    yield text(x + 8, y + 16, panel.title, size=12, weight="bold")
    inner = (x + 8, y + TITLE, width - 16, height - TITLE - 6)
    if not series:
        yield text(x + width / 2 - 25, y + height / 2, "No data", fill="#8e8e8e")
    elif panel.kind == "stat":
        yield from _stat(panel, series, inner)
    elif panel.kind == "table":
        yield from _table(panel, series, inner)
    elif panel.kind == "state-timeline":
        yield from _timeline(panel, series, inner, start, end)
    else:
        yield from _graph(panel, series, inner, start, end)


def _stat(panel: Panel, series: Sequence[Series], box: Box) -> Iterator[str]:
    x, y, width, height = box
    each = width / len(series)
    for number, one in enumerate(series):
        value = one.points[-1][1]
        left = x + number * each
        yield rectangle((left, y, each - 4, height), color_of(panel, value), "rx='3'")
        yield text(left + 8, y + height / 2 + 10, formatted(value, panel.unit), size=24, weight="bold", fill="white")
        if len(series) > 1:
            yield text(left + 8, y + height - 8, one.legend, fill="white")


def _table(panel: Panel, series: Sequence[Series], box: Box) -> Iterator[str]:
    x, y, width, _ = box
    for number, one in enumerate(sorted(series, key=lambda one: one.legend)):
        line = y + 18 + number * 20
        yield text(x, line, one.legend)
        yield text(x + width - 70, line, formatted(one.points[-1][1], panel.unit), weight="bold")


def _timeline(panel: Panel, series: Sequence[Series], box: Box, start: float, end: float) -> Iterator[str]:
    x, y, width, height = box
    label = 230
    each = min(24.0, height / len(series))
    scale = (width - label) / (end - start)
    for number, one in enumerate(sorted(series, key=lambda one: one.legend)):
        top = y + number * each
        yield text(x, top + each / 2 + 4, one.legend)
        changes = [
            point for before, point in zip([(0, None), *one.points], one.points, strict=False) if before[1] != point[1]
        ]
        for (moment, value), following in zip(changes, [*[t for t, _ in changes[1:]], end], strict=True):
            color = COLORS[panel.mappings[int(value)][1]]
            left, wide = x + label + (moment - start) * scale, max(1.0, (following - moment) * scale)
            yield rectangle((left, top + 2, wide + 0.3, each - 4), color)


def _graph(panel: Panel, series: Sequence[Series], box: Box, start: float, end: float) -> Iterator[str]:
    x, y, width, height = box
    axis, legend = 58, 16 * min(2, -(-min(len(series), LEGENDS) // 3)) + 4
    values = [value for one in series for _, value in one.points]
    top, low = max([*values, 0]), min([*values, 0])
    top = top if top > low else low + 1
    plot_height = height - legend - 8
    for share in (0, 0.5, 1):
        level = y + 6 + plot_height * (1 - share)
        yield f"<line x1='{x + axis:.0f}' x2='{x + width:.0f}' y1='{level:.0f}' y2='{level:.0f}' stroke='#e8e9ea'/>"
        yield text(x, level + 4, formatted(low + (top - low) * share, panel.unit), size=10, fill="#6c7075")
    for number, one in enumerate(series):
        color = PALETTE[number % len(PALETTE)]
        for run in _runs(one.points, (end - start) / 30):
            places = " ".join(
                f"{x + axis + (moment - start) / (end - start) * (width - axis):.1f},"
                f"{y + 6 + plot_height * (1 - (value - low) / (top - low)):.1f}"
                for moment, value in run
            )
            yield f"<polyline points='{places}' fill='none' stroke='{color}' stroke-width='1.5'/>"
        if number < LEGENDS:
            left, line = x + (number % 3) * width / 3, y + height - legend + 14 + 16 * (number // 3)
            yield rectangle((left, line - 6, 10, 3), color)
            yield text(left + 14, line, one.legend[:LEGEND_LETTERS], size=10)


def _runs(points: Points, gap: float) -> Iterator[Points]:
    """Split the points where two are more than `gap` seconds apart, so that no line connects them."""
    first = 0
    for place in range(1, len(points) + 1):
        if place == len(points) or points[place][0] - points[place - 1][0] > gap:
            yield points[first:place]
            first = place
