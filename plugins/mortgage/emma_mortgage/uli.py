"""Tells whether a Universal Loan Identifier's check digits hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emma_core import Function

if TYPE_CHECKING:
    import polars as pl

_DIGIT = {letter: str(number) for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", start=10)}
_DIGIT |= {letter.lower(): digits for letter, digits in _DIGIT.items()} | {digit: digit for digit in "0123456789"}
_PARTS, _PART = 5, 18
"""45 letters are 90 digits."""


def uli_check(uli: str) -> bool:
    """True where the two last digits are the check digits of what stands before them.

    Letters count as 10 to 35 in either case, and the number that comes of it leaves 1 when divided by 97: ISO/IEC 7064,
    MOD 97-10, as 12 CFR part 1003, appendix C, lays it down. False for any other character, for no text at all, and
    for more than the 45 characters that an identifier may have (12 CFR 1003.4(a)(1)(i)).
    """
    if not 0 < len(uli) <= 45:
        return False
    digits = [_DIGIT.get(character) for character in uli]
    if None in digits:
        return False
    return int("".join(digit for digit in digits if digit)) % 97 == 1


def in_polars(uli: pl.Expr) -> pl.Expr:
    """The same of a column: the number is cut into parts of 18 digits, which 64 bits hold."""
    digits = uli.str.replace_many(list(_DIGIT), list(_DIGIT.values())).str.zfill(_PARTS * _PART)
    shares = [
        digits.str.slice(place * _PART, _PART).cast(int, strict=False) % 97 * pow(10, (_PARTS - 1 - place) * _PART, 97)
        for place in range(_PARTS)
    ]
    rest = sum(shares[1:], start=shares[0]) % 97
    return uli.str.contains(r"\A[A-Za-z0-9]{1,45}\z") & (rest == 1).fill_null(value=False)


FUNCTION = Function(
    name="uli_check",
    params=("text",),
    returns="bool",
    body=uli_check,
    polars=in_polars,
    examples=(
        (("10Bx939c5543TqA1144M999143X38",), True),
        (("10Bx939c5543TqA1144M999143X39",), False),
        (("10Bx939c5543TqA1144M999134X38",), False),
        (("10BX 939C",), False),
        (("",), False),
    ),
    doc="Whether a ULI's check digits hold (12 CFR part 1003, appendix C).",
)
