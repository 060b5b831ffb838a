"""JSON text to values and back, with every number exact and every input bounded.

Integers are ints of any size up to MAX_DIGITS. A number with a point or an exponent is a float where the shortest
text of that float means the same number; where binary64 cannot hold it, it is a `SourceNumber`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from math import isfinite
from typing import Any, NoReturn

import msgspec

__all__ = ["MAX_DEPTH", "MAX_DIGITS", "SourceNumber", "check_json", "decode_json", "encode_json", "same_json"]

MAX_DEPTH = 128
"""How deep arrays and objects may nest: more would exhaust the interpreter's stack in some reader."""

MAX_DIGITS = 4300
"""How many digits in a row a number may have: Python's own bound on what it converts."""

_LENIENT = Context(prec=MAX_DIGITS * 2, traps=[])
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_LONG_DIGITS = re.compile(rb"(?<![0-9])[0-9]{%d}" % (MAX_DIGITS + 1))


class SourceNumber(Decimal):
    """A decimal number that binary64 cannot hold. `text` is how it was written, and how it is written again."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> SourceNumber:
        # An exponent beyond Decimal's own range compares as infinity or zero; the text stays exact.
        self = super().__new__(cls, _LENIENT.create_decimal(text))
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[SourceNumber], tuple[str]]:
        return SourceNumber, (self.text,)


def _number(text: str) -> float | SourceNumber:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} characters")
    value = float(text)
    if len(text) <= 16 and "e" not in text and "E" not in text:
        return value  # binary64 holds any 15 significant digits
    if isfinite(value) and Decimal(repr(value)) == _LENIENT.create_decimal(text):
        return value
    return SourceNumber(text)


def _encode_other(value: object) -> object:
    if isinstance(value, SourceNumber):
        return msgspec.Raw(value.text.encode("ascii"))
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_decode: Callable[[Any], Any] = msgspec.json.Decoder(float_hook=_number).decode
_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number").encode


def decode_json(text: bytes | msgspec.Raw) -> Any:
    """The value of one JSON text (RFC 8259, UTF-8); of members of one name the last wins.

    Raises ValueError, saying what is wrong and where.
    """
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise_reason(error)


def raise_reason(error: Exception) -> NoReturn:
    """Turns what msgspec raises while it decodes into a ValueError with a reason."""
    if isinstance(error, RecursionError):
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}") from None
    if isinstance(error, UnicodeDecodeError):
        raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}") from None
    raise ValueError(str(error)) from None


def check_json(text: bytes) -> None:
    """Checks the bounds of well-formed JSON text, so that decoding any part of it later cannot fail.

    Raises ValueError where it is not UTF-8, nests deeper than MAX_DEPTH or has numbers longer than MAX_DIGITS.
    """
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise_reason(error)
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper(text):
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}")
    if len(text) > MAX_DIGITS and _LONG_DIGITS.search(text) is not None:
        decode_json(text)  # the digits may be in a string, where they are harmless


def _deeper(text: bytes) -> bool:
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    return bool(brackets)


def encode_json(value: object) -> bytes:
    """A value as compact JSON text. Raises ValueError for what JSON cannot say: NaN, lone surrogates, cycles."""
    try:
        text = _encode(value)
    except RecursionError:
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}, or in a circle") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"a string is not Unicode text: {error.reason}") from None
    except (TypeError, OverflowError, msgspec.MsgspecError) as error:
        raise ValueError(str(error)) from None
    if b"null" in text or b"NaN" in text or b"Infinity" in text:
        _refuse_unbounded(value)
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH and _deeper(text):
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}")
    return text


def _refuse_unbounded(value: object) -> None:
    """msgspec writes a float that is not a number as null, and such a Decimal as its name."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, float) and not isfinite(item):
            raise ValueError(f"{item!r} is not a JSON number")
        elif isinstance(item, Decimal) and type(item) is Decimal and not item.is_finite():
            raise ValueError(f"{item!r} is not a JSON number")


def same_json(one: object, other: object) -> bool:
    """Whether two JSON values mean the same: numbers by value, whatever their type, and no number is a boolean."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same_json(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same_json(left, right) for left, right in zip(one, other, strict=True))
        )
    return one == other and isinstance(one, bool) == isinstance(other, bool)
