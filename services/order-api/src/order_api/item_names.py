"""The rules for item names: one Unicode form, visible, and harmless to all consumers of the events."""

import unicodedata

MAX_LENGTH = 200
# Control characters, line and paragraph separators, surrogates: they break the logs and files of the events' consumers.
_FORBIDDEN = frozenset({"Cc", "Zl", "Zp", "Cs"})
# Format characters, spaces and combining marks: a name that contains nothing else is invisible.
_INVISIBLE = frozenset({"Cf", "Zs", "Mn", "Me"})
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # Hangul fillers and the empty braille pattern


def normalize(name: str) -> str:
    """Return the name in NFC without surrounding white space; raise ValueError, which says what is wrong."""
    normal = unicodedata.normalize("NFC", name).strip()
    categories = [unicodedata.category(character) for character in normal]
    if not _FORBIDDEN.isdisjoint(categories):
        raise ValueError("must not contain control characters or line breaks")
    if all(c in _INVISIBLE or x in _BLANK_LETTERS for c, x in zip(categories, normal, strict=True)):
        raise ValueError("must contain a visible character")
    if len(normal) > MAX_LENGTH:
        raise ValueError(f"must have at most {MAX_LENGTH} characters in Unicode's composed form (NFC)")
    return normal
