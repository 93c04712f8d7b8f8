"""How paths with blanks, quotes and non-ASCII letters are written into configuration files and commands."""

from pathlib import Path

import pytest

from local_stack import kafka, proxy, report


@pytest.mark.parametrize(
    ("path", "quoted"),
    [("/a b/ünï", '"/a b/ünï"'), ('/a"b', r'"/a\"b"'), ("/a;{b}", '"/a;{b}"'), ("/a\\b", r'"/a\\b"')],
)
def test_path_is_quoted_for_nginx(path: str, quoted: str) -> None:
    assert proxy._quoted(Path(path)) == quoted


@pytest.mark.parametrize(
    ("value", "escaped"),
    [("/a b", "/a b"), ("/é", r"/\u00e9"), ("/Ж", r"/\u0416"), ("/😀", r"/\ud83d\ude00"), ("a\\b", r"a\\b")],
)
def test_value_is_escaped_for_java_properties(value: str, escaped: str) -> None:
    assert kafka._escaped(value) == escaped


def test_printed_curl_commands_quote_the_certificate_path() -> None:
    lines = report._curl_lines("https://localhost:8443", "/a b/ca.pem")

    assert sum("--cacert '/a b/ca.pem'" in line for line in lines) == 4
