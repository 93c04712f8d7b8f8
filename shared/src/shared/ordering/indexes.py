"""Creates the indexes of a collection that may already have others."""

from collections.abc import Sequence
from typing import Any

from pymongo import IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from shared.mongo import DUPLICATE_KEY, Document
from shared.telemetry import log

CONFLICTS = {85: "an index with the same fields or name exists", 86: "an index with the same name exists"}
REASONS = CONFLICTS | {DUPLICATE_KEY: "documents share its key"}

logger = log.get(__name__)


class IndexConflict(Exception):  # noqa: N818 - a state of the database
    """A unique index cannot be created; the text names it, the reason and what to do."""


def ensure(collection: Collection[Document], indexes: Sequence[IndexModel]) -> None:
    """Create the indexes that are missing; idempotent, and safe from several replicas at a time.

    An index with the same fields and options under another name serves as well. Raise IndexConflict if a unique index
    cannot be created; a conflict of any other index is logged, because without it queries are only slower. Raise
    PyMongoError for every other error.
    """
    present = [dict(index) for index in collection.list_indexes()]
    missing = [index for index in indexes if not any(_is_same(index.document, other) for other in present)]
    try:
        if missing:
            collection.create_indexes(missing)
    except OperationFailure as error:
        if error.code not in REASONS:
            raise
        for index in missing:
            _create(collection, index, present)


def _create(collection: Collection[Document], index: IndexModel, present: Sequence[Document]) -> None:
    try:
        collection.create_indexes([index])
    except OperationFailure as error:
        if error.code not in REASONS:
            raise
        name = index.document["name"]
        others = ", ".join(other["name"] for other in present if _is_alike(index.document, other))
        reason = REASONS[error.code] + (f" ({others})" if others else "")
        if index.document.get("unique"):
            message = f"the unique index {name} of {collection.name} cannot be created: {reason}; drop or repair it"
            raise IndexConflict(message) from error
        logger.warning("index_conflict", index=name, collection=collection.name, reason=reason)


def _is_same(wanted: Any, present: Document) -> bool:
    return _form(wanted) == _form(present)


def _is_alike(wanted: Any, present: Document) -> bool:
    return bool(wanted["name"] == present["name"] or _fields(wanted) == _fields(present))


def _form(index: Any) -> tuple[Any, ...]:
    return _fields(index), bool(index.get("unique")), index.get("partialFilterExpression"), bool(index.get("sparse"))


def _fields(index: Any) -> list[tuple[str, Any]]:
    return [*index["key"].items()]
