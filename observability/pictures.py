"""Draws boards from the data in Prometheus; `make pictures` draws those of a stack under load and in outages."""

import math
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from observability import drawing
from observability.builder import OURS, Board, Panel
from observability.drawing import Series

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
CHOSEN = {"$namespace": "local", "$job": ".+", "$pod": ".+"}
POINTS = 120


def draw(board: Board, prometheus: str, seconds: float, name: str) -> Path:
    """Draw a board with the data of the last `seconds` into docs/pictures; return the file."""
    end = time.time()
    data = {panel.title: fetch(panel, prometheus, end - seconds, end) for panel in board.panels}
    file = FOLDER / f"{name}.svg"
    file.write_text(drawing.board(board, data, end - seconds, end), encoding="utf-8")
    return file


def fetch(panel: Panel, prometheus: str, start: float, end: float) -> Sequence[Series]:
    """Return the series of a panel. An `external` panel has none: the local stack does not run its exporters."""
    step = max(1, round((end - start) / POINTS))
    found = []
    for legend, query in panel.queries.items():
        expression = query.replace("OURS", OURS).replace("$__rate_interval", f"{max(10, 4 * step)}s")
        for variable, value in CHOSEN.items():
            expression = expression.replace(variable, value)
        options = {"query": expression, "start": f"{start:.0f}", "end": f"{end:.0f}", "step": str(step)}
        answer = httpx.get(f"{prometheus}/api/v1/query_range", params=options, timeout=30, trust_env=False)
        found += [_series(legend, result) for result in answer.raise_for_status().json()["data"]["result"]]
    return [series for series in found if series.points]


def _series(legend: str, result: dict[str, Any]) -> Series:
    labels = result["metric"]
    named = re.sub(r"{{\s*(\w+)\s*}}", lambda found: labels.get(found[1], ""), legend).strip()
    if "{{" not in legend and labels:
        named = " ".join(labels[name] for name in sorted(labels)) or legend
    points = [(float(moment), float(value)) for moment, value in result["values"]]
    return Series(named, [(moment, value) for moment, value in points if math.isfinite(value)])
