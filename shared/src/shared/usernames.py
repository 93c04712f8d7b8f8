"""The format of a user name: auth-api registers such names, order-api accepts them as `userid`."""

import re

PATTERN = "[a-z0-9][a-z0-9._@+-]{0,63}"
RULE = "1 to 64 characters of a-z, 0-9 and . _ @ + -, the first a letter or digit"
_NAME = re.compile(PATTERN, re.ASCII)


def is_username(text: str) -> bool:
    """Return whether the whole text is a valid user name."""
    return _NAME.fullmatch(text) is not None
