"""Writes the boards into the chart: `make dashboards`."""

import json
from pathlib import Path

from observability.boards import BOARDS

FOLDER = Path(__file__).parents[1] / "charts" / "retail-orders" / "dashboards"


def files() -> dict[str, str]:
    """Return the content of each file by its name."""
    return {f"{board.name}.json": json.dumps(board.json(), indent=1) + "\n" for board in BOARDS}


if __name__ == "__main__":
    for name, content in files().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
