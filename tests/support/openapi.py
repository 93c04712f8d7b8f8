"""Reads an OpenAPI document as its clients do."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

Document = dict[str, Any]


def response(document: Document, path: str, method: str, status: int) -> Document:
    """Return the response that the document declares for an operation and a status."""
    declared = document["paths"][path][method]["responses"][str(status)]
    name = declared.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["responses"][name] if name else declared
    return found


def check(document: Document, schema: Document, value: object) -> None:
    """Raise ValidationError unless the value matches a schema of the document, formats included."""
    Draft202012Validator({**schema, "components": document["components"]}, format_checker=FormatChecker()).validate(
        value
    )


def examples(node: object) -> Iterator[tuple[Document, object]]:
    """Yield (schema, value) of every example of a request's or a response's content."""
    if isinstance(node, list):
        for item in node:
            yield from examples(item)
    elif isinstance(node, dict):
        for content in node.get("content", {}).values():
            values = (
                [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
            )
            yield from ((content["schema"], value) for value in values)
        for item in node.values():
            yield from examples(item)
