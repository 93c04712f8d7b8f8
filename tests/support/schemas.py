"""Validates resources against the schemas of Kubernetes and of the custom resources; unknown fields are errors."""

import functools
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing import Resource as Document

KUBERNETES = "v1.34.0"
CUSTOM = Path(__file__).resolve().parents[1] / "chart/schemas"


def problems(resource: dict[str, Any]) -> list[str]:
    """Return how a resource violates the schema of its kind; a missing schema is a violation, too."""
    validator = _custom().get((resource["apiVersion"], resource["kind"])) or _core(
        resource["apiVersion"], resource["kind"]
    )
    name = f"{resource['kind']} {resource['metadata']['name']}"
    if validator is None:
        return [f"{name}: there is no schema for {resource['apiVersion']}"]
    return [f"{name}: {error.json_path}: {error.message}" for error in validator.iter_errors(resource)]


@functools.cache
def _core(api_version: str, kind: str) -> Draft202012Validator | None:
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    file = _folder() / f"{kind.lower()}-{group}.json"
    return Draft202012Validator(json.loads(file.read_text()), registry=_definitions()) if file.is_file() else None


def _folder() -> Any:
    return resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"{KUBERNETES}-local-strict"


@functools.cache
def _definitions() -> Registry[Any]:
    document = Document.from_contents(json.loads((_folder() / "_definitions.json").read_text()))
    return Registry[Any]().with_resources([("_definitions.json", document), ("file:///_definitions.json", document)])


@functools.cache
def _custom() -> dict[tuple[str, str], Draft202012Validator]:
    found = {}
    for file in CUSTOM.glob("*.json"):
        spec = json.loads(file.read_text())["spec"]
        for version in spec["versions"]:
            schema = _strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = Draft202012Validator(schema)
    return found


def _strict(schema: Any, *, names: bool = False) -> Any:
    """Return the schema without room for unknown fields. With `names`, the keys of `schema` are property names."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(value, names=key == "properties" and not names) for key, value in schema.items()}
    free = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    if not names and isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and not free:
        strict["additionalProperties"] = False
    return strict
