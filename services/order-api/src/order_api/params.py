"""Values from a request's query and headers, parsed and checked. Pure: no web framework."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from uuid import UUID

_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}", re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[\x21\x23-\x7e]{1,255}", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_CURSOR_VERSION = b"\x01"
_CURSOR_EXPECTED = "cursor must be the next_cursor of the page before, unchanged"
_SHOWN = 64  # an error quotes at most this many characters of a client's text


class InvalidParameter(ValueError):  # noqa: N818 - a state of the parameter
    """A query parameter or header is not valid; the text says what is expected."""


def parse_query(parameters: Iterable[tuple[str, list[str]]], *allowed: str) -> dict[str, str]:
    """Return the query's parameters; raise InvalidParameter for an unknown or repeated one."""
    parsed = {}
    for name, values in parameters:
        if name not in allowed:
            raise InvalidParameter(f"Unknown query parameter: {name[:_SHOWN]}")
        if len(values) > 1:
            raise InvalidParameter(f"Repeated query parameter: {name}")
        parsed[name] = values[0]
    return parsed


def reject_unless_with(required: str, params: Mapping[str, str], *names: str) -> None:
    """Raise InvalidParameter if one of `names`, which are only valid together with `required`, is present."""
    for name in names:
        if name in params:
            raise InvalidParameter(f"{name} is only valid with {required}")


def parse_number(params: Mapping[str, str], name: str, low: int, high: int, *, default: int) -> int:
    """Return the parameter `name` as a whole number from `low` to `high`; `default` if absent.

    Raise InvalidParameter.
    """
    text = params.get(name)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise InvalidParameter(f"{name} must be a whole number from {low} to {high}")
    return int(text)


def format_etag(order_id: str, version: int) -> str:
    """Return the opaque part of an order's entity tag.

    It contains the order id, because all requests with the id in the body share one URL.
    """
    return f"{order_id}.{version}"


def normalize_order_id(text: str) -> str:
    """Return a UUID in lower case, as it is stored: RFC 9562 ignores case on input. Any other text stays as it is."""
    return text.lower() if _UUID.fullmatch(text) else text


def normalize_userid(text: str) -> str:
    """Return a userid from a query with a + for each blank.

    Decoding turns an unescaped + into a blank, and no user name contains a blank.
    """
    return text.replace(" ", "+")


def parse_idempotency_key(header: str) -> str:
    """Return the key in an Idempotency-Key header, bare or quoted; raise InvalidParameter."""
    text = header.strip(" \t")
    key = text[1:-1] if text[:1] == text[-1:] == '"' and text != '"' else text
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidParameter("Idempotency-Key must be 1 to 255 visible ASCII characters, without quotes inside")
    return key


def encode_cursor(order_id: str) -> str:
    """Return the opaque cursor of the page after the order `order_id`."""
    return base64.urlsafe_b64encode(_CURSOR_VERSION + UUID(order_id).bytes).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Return the order id in a cursor; raise InvalidParameter for any text that `encode_cursor` did not return."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        order_id = str(UUID(bytes=raw[1:]))
    except (ValueError, binascii.Error):
        raise InvalidParameter(_CURSOR_EXPECTED) from None
    if raw[:1] != _CURSOR_VERSION or encode_cursor(order_id) != cursor:
        raise InvalidParameter(_CURSOR_EXPECTED)
    return order_id
