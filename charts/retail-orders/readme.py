"""Write the chart's README.md: README.md.head, then a table of every value with its default and its comment.

A comment that begins with `# --` belongs to the next key. A key without such a comment is an error,
unless the key has no value of its own, or is below a key that has such a comment.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parent
KEY = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):(.*)")


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield key, default and comment of every documented value, in the file's order."""
    defaults = yaml.safe_load(text)
    path: list[str] = []
    comment: str | None = None
    inside: int | None = None  # the depth of the last key with a comment: keys below it need none
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            comment = line.strip().removeprefix("# -- ")
        elif found := KEY.fullmatch(line):
            depth = len(found[1]) // 2
            path = [*path[:depth], found[2]]
            if inside is not None and depth > inside:
                continue
            inside = None
            if comment is not None:
                yield ".".join(path), _default(defaults, path), comment
                inside, comment = depth, None
            elif found[3].strip():
                raise SystemExit(f"values.yaml: {'.'.join(path)} has no comment that begins with '# -- '")


def _default(values: Any, path: list[str]) -> str:
    for key in path:
        values = values[key]
    return str(yaml.safe_dump(values, default_flow_style=True, width=1000)).removesuffix("\n...\n").strip()


def readme() -> str:
    """Return the text of README.md."""
    table = [
        f"| `{key}` | `{default}` | {comment.replace('|', '&#124;')} |"
        for key, default, comment in rows((CHART / "values.yaml").read_text())
    ]
    head = (CHART / "README.md.head").read_text()
    return head + "\n".join(["| value | default | what it is |", "|---|---|---|", *table]) + "\n"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
