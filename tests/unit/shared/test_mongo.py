"""The MongoDB client's settings, and which of its errors concern one document."""

from datetime import UTC, datetime
from pathlib import Path

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from pymongo.errors import BulkWriteError, OperationFailure, WriteError

from shared import mongo
from shared.config.settings import SettingsError
from support.pki import authority


@pytest.mark.parametrize("uri", ["mongodb://name:s3cret", "mongodb://name:s3cret@a@b/", "mongodb://name:s3cret?x@a/"])
def test_unusable_mongodb_uri_is_rejected_without_showing_the_password(tmp_path: Path, uri: str) -> None:
    (tmp_path / "ca.crt").write_bytes(authority())
    with pytest.raises(SettingsError) as rejection:
        mongo.connect(uri, ca_file=tmp_path / "ca.crt", database="retail", app_name="tests", pool=1)

    assert "s3cret" not in str(rejection.value)
    assert rejection.value.__suppress_context__


def test_unrepresentable_date_or_text_does_not_fail_the_read(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(authority())
    database = mongo.connect("mongodb://a/", ca_file=tmp_path / "ca.crt", database="retail", app_name="tests", pool=1)
    stored = bson.encode({"bad": DatetimeMS(10**15), "good": DatetimeMS(0), "text": "é"}).replace(b"\xc3", b"\xff")
    found = bson.decode(stored, database.codec_options)
    database.client.close()

    assert isinstance(found["bad"], DatetimeMS)
    assert found["text"] == "\udcff\udca9"
    assert found["good"] == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("code", [2, 14, 28])
def test_bad_value_is_a_document_error_only_in_writes(code: int) -> None:
    """With the same code MongoDB may reject a whole command, for example its read concern; then no order must fail."""
    write = {"index": 0, "code": code, "errmsg": "does not fit"}

    assert mongo.is_document_error(WriteError("does not fit", code))
    assert mongo.is_document_error(BulkWriteError({"writeErrors": [write], "writeConcernErrors": []}))
    assert not mongo.is_document_error(OperationFailure("BadValue", code))
    assert mongo.is_failure(OperationFailure("BadValue", code))


@pytest.mark.parametrize("error", [OperationFailure("failed validation", 121), WriteError("failed validation", 121)])
def test_rejected_document_does_not_count_as_failure_of_mongodb(error: OperationFailure) -> None:
    assert mongo.is_document_error(error)
    assert not mongo.is_failure(error)
