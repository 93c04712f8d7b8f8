"""Which MongoDB connection strings are accepted, and the error for each mistake."""

import pytest

from shared.config.mongo_uri import mongo_uri


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://nowhere",
        "mongodb://order-api:secret@a:27017,b:27017,c:27017/?authSource=retail&replicaSet=rs0",
        "mongodb://u:p%40ss%2Bword%25@host/?tls=true&w=majority&retryWrites=true&readPreference=primary",
        "mongodb+srv://u:p@cluster.example.net/?retryWrites=true&w=majority",
        "mongodb://[::1]:27017/?directConnection=true",
    ],
)
def test_valid_connection_string_is_returned_unchanged(uri: str) -> None:
    assert mongo_uri(uri) == uri


@pytest.mark.parametrize(
    "option",
    [
        "readPreference=secondaryPreferred",
        "readConcernLevel=local",
        "readConcernLevel=majority",
        "tlsInsecure=true",
        "tlsAllowInvalidCertificates=true",
        "tlsAllowInvalidHostnames=true",
        "tls=false",
        "SSL=false",
        "w=1",
        "w=0",
        "journal=false",
        "retryWrites=false",
        "timeoutMS=0",
        "wTimeoutMS=1",
        "socketTimeoutMS=1",
        "maxPoolSize=1",
        "unknown=1",
        "authSource=admin;W=1",
        "%77=1",
    ],
)
def test_unsafe_or_unknown_mongodb_option_is_named_in_the_error(option: str) -> None:
    name = option.rpartition(";")[2].partition("=")[0]
    with pytest.raises(ValueError, match=f"the option '?{name}'? ") as failure:
        mongo_uri(f"mongodb://u:s3cret@h/?{option}")

    assert "s3cret" not in str(failure.value)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("http://u:s3cret@h", "must begin with mongodb://"),
        ("u:s3cret@h", "must begin with mongodb://"),
        ("mongodb://u:s3cret@x@h/", "@ as %40"),
        ("mongodb://u:s3cret/x@h/", "is not a valid|host name|%2F"),
        ("mongodb://u:s3:cret@h/", ": as %3A"),
        ("mongodb://u:s3cret+@h/", "plus sign as %2B"),
        ("mongodb://u:s3cret%@h/", "written as %25"),
        ("mongodb://u:s3cret@/", "host name is missing"),
        ("mongodb://u:s3cret@a,,b/", "host name is missing"),
        ("mongodb://u:s3cret@h:port/", "is not a valid connection string"),
        ("mongodb://u:s3cret@h 1/", "white space"),
        ("mongodb://u:s3cret@h/?tlsCAFile=x", "set MONGODB_CA_FILE"),
    ],
)
def test_each_mistake_has_its_own_error_without_the_password(uri: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as failure:
        mongo_uri(uri)

    assert "s3cret" not in str(failure.value)
