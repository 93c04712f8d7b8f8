"""Amounts of money: exact, in whole minor units (cents), never a float."""

import re
from decimal import Decimal
from typing import Self

_FORM = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?", re.ASCII)


class Amount(int):
    """An amount of zero or more in minor units of a currency with two decimals."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Self:
        """Parse a JSON number (int, Decimal) or a string, such as 12, 12.5 or "12.50"; raise ValueError otherwise."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise ValueError("must be a number or a string with at most two decimals")  # noqa: TRY004 - one error for all
        text = str(value)
        if not _FORM.fullmatch(text):
            raise ValueError(
                "must be a plain decimal such as 12.50: at most 10 digits before the point, 2 after, no exponent"
            )
        whole, _, fraction = text.partition(".")
        return cls(int(whole) * 100 + int(fraction.ljust(2, "0") or "0"))


def text(minor: int) -> str:
    """Return minor units as a decimal string with two decimals: 1250 → `12.50`."""
    return f"{minor // 100}.{minor % 100:02}"
