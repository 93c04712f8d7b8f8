"""Make the files in this folder: CustomResourceDefinitions as JSON, without descriptions. See README.md.

python prune.py FOLDER FILE.yaml...
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def prune(node: Any, *, names: bool = False) -> Any:
    """Return `node` without descriptions. If `names`, the keys of `node` are property names, and all are kept."""
    if isinstance(node, list):
        return [prune(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: prune(value, names=key == "properties" and not names)
        for key, value in node.items()
        if names or key != "description"
    }


if __name__ == "__main__":
    folder, *files = map(Path, sys.argv[1:])
    for file in files:
        for definition in filter(None, yaml.safe_load_all(file.read_text())):
            text = json.dumps(prune(definition), separators=(",", ":"), sort_keys=True)
            (folder / f"{definition['metadata']['name']}.json").write_text(text + "\n")
