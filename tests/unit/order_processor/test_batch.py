"""How a log line describes an error."""

import pytest
from pymongo.errors import DuplicateKeyError, WriteError

from order_processor.batch import describe


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            WriteError("Document failed validation", 121, {"errInfo": {"consideredValue": "secret"}}),
            "WriteError: Document failed validation",
        ),
        (
            DuplicateKeyError('E11000 duplicate key error collection: c index: i dup key: { item: "secret" }'),
            "DuplicateKeyError: E11000 duplicate key error collection: c index: i",
        ),
    ],
)
def test_logged_error_omits_the_data_of_the_document(error: Exception, text: str) -> None:
    assert "secret" in str(error)
    assert describe(error) == text
