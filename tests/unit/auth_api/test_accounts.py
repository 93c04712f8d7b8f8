"""The rules for user names, passwords and the Authorization header with Basic credentials."""

import base64
import string
import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from auth_api.accounts import (
    COMMON_PASSWORDS,
    InvalidAccount,
    MalformedCredentials,
    Registration,
    normalize_password,
    parse_basic_auth,
    validate,
)

GOOD = "correct horse battery staple"
FIRST = string.ascii_lowercase + string.digits
NAMES = st.builds(str.__add__, st.sampled_from(FIRST), st.text(FIRST + "._@+-", max_size=63))
PASSWORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40)


def pointers(name: str, password: str) -> list[str]:
    with pytest.raises(InvalidAccount) as caught:
        validate(Registration(name, password))
    return [pointer for pointer, _ in caught.value.errors]


@given(NAMES)
@example("a")
@example("0" * 64)
def test_user_name_of_allowed_characters_is_accepted(name: str) -> None:
    assert validate(Registration(name, GOOD)) == GOOD


@given(st.text())
@example("alice\n")
@example("Alice")
@example("élise")
@example("a" * 65)
@example("٣")
@example("")
def test_user_name_that_breaks_the_rules_is_rejected(name: str) -> None:
    alphabet = set(FIRST + "._@+-")
    assume(not (name and name[0] in FIRST and set(name) <= alphabet and len(name) <= 64))

    assert pointers(name, GOOD) == ["/username"]


@pytest.mark.parametrize("password", ["a" * 8, "é" * 128, "👍🏽" * 64, "with\0null byte", " eight  8"])
def test_password_of_8_to_128_characters_is_accepted(password: str) -> None:
    assert validate(Registration("alice", password)) == unicodedata.normalize("NFC", password)


@pytest.mark.parametrize("password", ["", "a", "a1b2c3d", "x" * 129, "é" * 129, "x" * 65_000, "👍" * 129])
def test_password_outside_8_to_128_characters_is_rejected(password: str) -> None:
    assert pointers("alice", password) == ["/password"]


@pytest.mark.parametrize("password", ["password123", "PassWord123", "qwertyuiop", "12345678", "password", "Matrix01"])
def test_common_password_is_rejected_regardless_of_case(password: str) -> None:
    assert pointers("alice", password) == ["/password"]


@pytest.mark.parametrize("line", [0, 1, 999, 1_000, 5_000, 9_999])
def test_password_from_the_list_of_common_passwords_is_rejected(line: int) -> None:
    assert pointers("alice", COMMON_PASSWORDS.split()[line]) == ["/password"]


@pytest.mark.parametrize("password", ["password1234 and more", "passwor ", "123456781234567x", "word1234"])
def test_password_that_resembles_a_common_one_is_accepted(password: str) -> None:
    assert validate(Registration("alice", password)) == password


def test_list_has_10000_common_passwords_of_allowed_length() -> None:
    passwords = COMMON_PASSWORDS.split("\n")[1:-1]

    assert len(set(passwords)) == len(passwords) == 10_000
    assert all(8 <= len(password) <= 128 and password == password.casefold() for password in passwords)


def test_one_error_names_every_violated_rule() -> None:
    assert pointers("Alice", "short") == ["/username", "/password"]


@given(PASSWORDS)
def test_nfc_and_nfd_passwords_are_normalized_to_nfc(password: str) -> None:
    forms = {normalize_password(unicodedata.normalize(form, password)) for form in ("NFC", "NFD")}

    assert forms == {unicodedata.normalize("NFC", password)}


def test_longest_password_is_accepted_in_decomposed_form() -> None:
    longest = "한" * 128

    assert normalize_password(unicodedata.normalize("NFD", longest)) == longest


def test_repr_of_a_registration_hides_the_password() -> None:
    assert GOOD not in repr(Registration("alice", GOOD))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=":")), PASSWORDS)
def test_credentials_survive_a_basic_header_round_trip(name: str, password: str) -> None:
    header = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    assert parse_basic_auth(header) == (name, password)


def test_first_colon_separates_name_and_password() -> None:
    assert parse_basic_auth("bAsIc " + base64.b64encode(b"alice:a:b:").decode()) == ("alice", "a:b:")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YWxpY2U",
        "Basic YWxp!Y2U6cHc=",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"alice:\xff\xfe").decode(),
        "Basic YWxpY2U6cHc=, Basic YWxpY2U6cHc=",
        "Bearer YWxpY2U6cHc=",
        "Basicé YWxpY2U6cHc=",
        "Basic YWxpY2U6cHcé=",
        "YWxpY2U6cHc=",
    ],
)
def test_malformed_basic_header_is_rejected(header: str | None) -> None:
    with pytest.raises(MalformedCredentials):
        parse_basic_auth(header)


@given(st.text(st.characters(max_codepoint=255)))
def test_random_basic_header_raises_only_malformed_credentials(text: str) -> None:
    for header in (text, f"Basic {text}"):
        try:
            name, _ = parse_basic_auth(header)
        except MalformedCredentials:
            continue
        assert ":" not in name


@pytest.mark.parametrize("password", ["alice.smith", "Alice.Smith"])
def test_own_user_name_is_rejected_as_password(password: str) -> None:
    assert pointers("alice.smith", password) == ["/password"]
    assert validate(Registration("bob.smith", password)) == password
