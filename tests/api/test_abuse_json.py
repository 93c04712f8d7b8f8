"""At every endpoint with a JSON body, a malformed body gets a 4xx problem document, never an internal error."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.abuse import TARGETS, BothApis, Target, assert_rejected

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \r\n\t ",
    "open object": b"{",
    "closed object": b"}",
    "60,000 open arrays": b"[" * 60_000,
    "10,000 open objects": b'{"a":' * 10_000,
    "17 levels": b"[" * 17 + b"]" * 17,
    "17 levels of objects": b'{"a":' * 17 + b"1" + b"}" * 17,
    "not a number": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "huge exponent": b"1e999",
    "a number of 5,000 digits": b"9" * 5000,
    "a fraction of 5,000 digits": b"0." + b"9" * 5000,
    "exponent of 19 digits": b"1e1000000000000000000",
    "zero with an exponent of 20 digits": b"0e99999999999999999999",
    "exponent of 5,000 digits": b"1e" + b"9" * 5000,
    "leading zero": b"01",
    "plus": b"+1",
    "no zero before the point": b".5",
    "no digit after the point": b"1.",
    "hexadecimal": b"0x10",
    "underscore": b"1_000",
    "null": b"null",
    "true": b"true",
    "a number": b"0",
    "a string": b'"text"',
    "an empty array": b"[]",
    "an array of arrays": b"[[[[]]]]",
    "single quotes": b"{'userid': 'alice'}",
    "bare keys": b'{userid: "alice"}',
    "a comment": b'/* */ {"userid": "alice"}',
    "open string": b'{"userid": "alice',
    "bad escape": b'{"userid": "\\x61lice"}',
    "half an escape": b'{"userid": "\\u00"}',
    "control character": b'{"userid": "al\nice"}',
    "null bytes": b"\0" * 100,
    "half a surrogate pair": b'{"userid": "\\ud800"}',
    "half a surrogate pair as key": b'{"\\udfff": 1}',
    "no UTF-8": b'{"userid": "\xff\xfe"}',
    "overlong UTF-8": b'{"userid": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"userid": "\xed\xa0\x80"}',
    "prototype": b'{"__proto__": {"admin": true}}',
    "operator": b'{"$where": "sleep(1000)"}',
    "a key of 60,000 characters": b'{"' + b"k" * 60_000 + b'": 1}',
    "5,500 keys": ("{" + ",".join(f'"{n}":1' for n in range(5500)) + "}").encode(),
    "a form": b"userid=alice&cost=1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "compressed": gzip.compress(b'{"userid": "alice"}'),
}
Twist = Callable[[bytes], bytes]
TWISTS: dict[str, Twist] = {
    "text after": lambda good: good + b" x",
    "another document after": lambda good: good + good,
    "null byte after": lambda good: good + b"\0",
    "comma at the end": lambda good: good[:-1] + b",}",
    "first key twice": lambda good: b'{"userid": "alice", "username": "carol", ' + good[1:],
    "first key twice, once escaped": lambda good: b'{"\\u0075serid": "alice", "\\u0075sername": "carol", ' + good[1:],
    "unknown key": lambda good: b'{"role": "admin", ' + good[1:],
    "unknown empty key": lambda good: b'{"": null, ' + good[1:],
    "byte order mark": lambda good: b"\xef\xbb\xbf" + good,
    "UTF-16": lambda good: good.decode().encode("utf-16"),
    "UTF-16 without mark": lambda good: good.decode().encode("utf-16-le"),
    "UTF-32": lambda good: good.decode().encode("utf-32"),
    "in an array": lambda good: b"[" + good + b"]",
    "as a string": lambda good: json.dumps(good.decode()).encode(),
    "every value null": lambda good: json.dumps(dict.fromkeys(json.loads(good))).encode(),
    "every value an object": lambda good: json.dumps({key: {} for key in json.loads(good)}).encode(),
    "every value an array": lambda good: json.dumps({key: [] for key in json.loads(good)}).encode(),
    "every value true": lambda good: json.dumps(dict.fromkeys(json.loads(good), True)).encode(),
    "keys in capitals": lambda good: json.dumps({key.upper(): v for key, v in json.loads(good).items()}).encode(),
    "above 64 KiB": lambda good: good[:-1] + b" " * 65_536 + b"}",
}
CONTENT_TYPES = [
    "",
    "text/plain",
    "text/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/vnd.api+json",
    "application/json-patch+json",
    "application/jsonp",
    "application/json; charset=utf-16",
    "application/json; charset=latin-1",
    "multipart/form-data; boundary=x",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> BothApis:
    """Both services, shared by the tests that store nothing."""
    return BothApis(tmp_path_factory.mktemp("both"))


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    target: Target = request.param
    return target


def good(target: Target) -> bytes:
    return json.dumps(target.good).encode()


def test_valid_body_is_accepted(tmp_path: Path, target: Target) -> None:
    """If valid bodies were rejected, the tests below would prove nothing."""
    assert BothApis(tmp_path).send(target, good(target)).status_code in {200, 201}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_malformed_body_is_rejected(both: BothApis, target: Target, body: bytes) -> None:
    assert_rejected(both.send(target, body), 400, 422)
    assert both.orders.documents == {}
    assert set(both.auth.users.hashes) == {"alice"}


@pytest.mark.parametrize("twist", TWISTS.values(), ids=TWISTS)
def test_valid_body_with_one_flaw_is_rejected(both: BothApis, target: Target, twist: Twist) -> None:
    assert_rejected(both.send(target, twist(good(target))), 400, 413, 422)
    assert both.orders.documents == {}
    assert set(both.auth.users.hashes) == {"alice"}


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_json_with_wrong_content_type_returns_415(both: BothApis, target: Target, content_type: str) -> None:
    assert_rejected(both.send(target, good(target), content_type), 415)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "x"])
def test_compressed_body_returns_415(both: BothApis, target: Target, coding: str) -> None:
    assert_rejected(both.send(target, gzip.compress(good(target)), **{"Content-Encoding": coding}), 415)
