"""Which user names are valid."""

import pytest

from shared.usernames import is_username


@pytest.mark.parametrize("name", ["a", "0", "alice", "a.b_c@d+e-f", "a" * 64])
def test_valid_user_name_is_accepted(name: str) -> None:
    assert is_username(name)


@pytest.mark.parametrize("name", ["", "Alice", ".a", "a b", "a\n", "é", "a" * 65, "٣"])
def test_invalid_user_name_is_rejected(name: str) -> None:
    assert not is_username(name)
