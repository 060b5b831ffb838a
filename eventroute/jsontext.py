"""JSON text to values and back, with every number exact and every input bounded.

Integers are ints of any size up to MAX_DIGITS. A number with a point or an exponent is a float where the shortest
text of that float means the same number; where binary64 cannot hold it, it is a `SourceNumber`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from itertools import accumulate
from math import isfinite
from operator import sub
from typing import Any, TypeVar

import msgspec

__all__ = [
    "MAX_DEPTH",
    "MAX_DIGITS",
    "SourceNumber",
    "check_json",
    "decode_json",
    "decode_values",
    "encode_json",
    "same_json",
    "split_array",
    "split_object",
    "split_value",
]

MAX_DEPTH = 128
"""How deep arrays and objects may nest in a value: more would exhaust the interpreter's stack in some reader."""

MAX_DIGITS = 4300
"""How many digits an integer may have: Python's own bound on what it converts."""

_LENIENT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
_LONGEST_NUMBER = 3 * MAX_DIGITS + len("-.e+")
_ALIKE = bytes.maketrans(b"{}123456789", b"[]000000000")
_ONE_PER_OPENING = bytes.maketrans(b"[]", b"\1\0")
_ONE_PER_CLOSING = bytes.maketrans(b"[]", b"\0\1")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_USUAL_DEPTH = 8
_LONG_DIGITS = b"0" * (MAX_DIGITS + 1)

T = TypeVar("T")


class SourceNumber(Decimal):
    """A number that binary64 cannot hold. `text` is how it was written in JSON, and how it is written again.

    Compare it and reckon with it as with any Decimal, but never turn it into an int: `1e999999999` is valid JSON.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> SourceNumber:
        """An exponent beyond Decimal's own range makes it infinity or zero; the text stays exact."""
        self = super().__new__(cls, _LENIENT.create_decimal(text))
        self.text = text
        return self

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[type[SourceNumber], tuple[str]]:
        return SourceNumber, (self.text,)


def _number(text: str) -> float | SourceNumber:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number has more than {_LONGEST_NUMBER} characters")
    value = float(text)
    if len(text) <= 16 and "e" not in text and "E" not in text:
        return value  # binary64 holds any 15 significant digits
    if not isfinite(value) or (value == 0 and text.lower().partition("e")[0].strip("-0.")):
        return SourceNumber(text)
    return value if Decimal(repr(value)) == _LENIENT.create_decimal(text) else SourceNumber(text)


def _encode_other(value: object) -> object:
    if isinstance(value, SourceNumber):
        return msgspec.Raw(value.text.encode("ascii"))
    raise TypeError(f"{type(value).__name__} is not a JSON value")


_decode = msgspec.json.Decoder(float_hook=_number).decode
_decode_list = msgspec.json.Decoder(list[Any]).decode
_decode_value = msgspec.json.Decoder(msgspec.Raw).decode
_decode_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number").encode
_encode_sorted = msgspec.json.Encoder(enc_hook=_encode_other, decimal_format="number", order="sorted").encode

_OUR_WORDS = (
    ("Invalid UTF-8", "it is not UTF-8"),  # up to 0.22 it raises UnicodeDecodeError
    ("non-finite", "a decimal that is not finite is not a JSON number"),  # up to 0.22 it writes its name
)


def decode_json(text: bytes | msgspec.Raw) -> Any:
    """The value of one JSON text (RFC 8259, UTF-8); of members of one name the last wins.

    Raises ValueError, saying what is wrong and where.
    """
    return _guarded(_decode, text)


def decode_values(texts: Collection[msgspec.Raw]) -> list[Any]:
    """The values of JSON texts that `split_object` or `split_array` left undecoded.

    Raises ValueError as `decode_json`.
    """
    return _guarded(_decode_values, texts)


def _decode_values(texts: Collection[msgspec.Raw]) -> list[Any]:
    try:
        return _decode_list(b"[%b]" % b",".join(texts))  # one call costs a quarter of what many do
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [_decode(text) for text in texts]  # raises, telling the place in the value


def split_value(text: bytes) -> msgspec.Raw:
    """One JSON value, undecoded. Raises ValueError as `split_object`."""
    return _guarded(_decode_value, text)


def split_array(text: bytes) -> list[msgspec.Raw]:
    """The elements of a JSON array, undecoded. Raises ValueError as `split_object`."""
    return _guarded(_decode_array, text)


def split_object(text: bytes) -> dict[str, msgspec.Raw]:
    """The members of a JSON object, their values undecoded.

    Raises ValueError where the text is no such object. Whether what is left undecoded can be decoded, only
    `check_json` says.
    """
    return _guarded(_decode_object, text)


def _guarded(decode: Callable[[Any], T], text: object) -> T:
    try:
        return decode(text)
    except RecursionError:
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error.reason}") from None
    except msgspec.DecodeError as error:
        raise ValueError(_told(error)) from None


def _told(error: Exception) -> str:
    """What msgspec says, in the same words whichever version of it does."""
    text = str(error)
    return next((words for theirs, words in _OUR_WORDS if theirs in text), text)


def check_json(text: bytes, *, levels: int = MAX_DEPTH) -> None:
    """Checks the bounds of well-formed JSON text, so that decoding any part of it later cannot fail.

    Raises ValueError where it is not UTF-8, nests deeper than `levels` or has numbers longer than MAX_DIGITS.
    """
    if not text.isascii():
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}") from None
    _check_depth(text, levels)
    if len(text) > MAX_DIGITS and _LONG_DIGITS in text.translate(_ALIKE):
        decode_json(text)  # the digits may be in a string, where they are harmless


def _check_depth(text: bytes, levels: int) -> None:
    if len(text) - len(text.replace(b"[", b"").replace(b"{", b"")) <= levels:  # at a quarter of the cost of `count`
        return
    if b"\\" in text:  # which is in strings only, as all quotes then are
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(text.split(b'"')[::2]).translate(_ALIKE, _NOT_BRACKETS)
    for _ in range(_USUAL_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")  # the innermost of each
        levels -= 1
    opened = accumulate(brackets.translate(_ONE_PER_OPENING))
    closed = accumulate(brackets.translate(_ONE_PER_CLOSING))
    if max(map(sub, opened, closed), default=0) > levels:
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}")


def encode_json(value: object, *, sort: bool = False) -> bytes:
    """A value as compact JSON text; with `sort` the members of objects are in the order of their names.

    Raises ValueError for what JSON cannot say: NaN, lone surrogates, cycles.
    """
    try:
        text = _encode_sorted(value) if sort else _encode(value)
    except RecursionError:
        raise ValueError(f"arrays and objects nest deeper than {MAX_DEPTH}, or in a circle") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"a string is not Unicode text: {error.reason}") from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise ValueError(_told(error)) from None
    if b"null" in text or b"NaN" in text or b"Infinity" in text:
        _refuse_unbounded(value)
    _check_depth(text, MAX_DEPTH)
    return text


def _refuse_unbounded(value: object) -> None:
    """A float that is not finite would be written as null, and such a Decimal as its name."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif _is_unbounded(item):
            raise ValueError(f"{item!r} is not a JSON number")


def _is_unbounded(item: object) -> bool:
    if isinstance(item, Decimal):
        return not isinstance(item, SourceNumber) and not item.is_finite()
    return isinstance(item, float) and not isfinite(item)


def same_json(one: object, other: object) -> bool:
    """Whether two JSON values mean the same: numbers by value, whatever their type, and no number is a boolean."""
    waiting = [(one, other)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            if left.keys() != right.keys():
                return False
            waiting.extend((value, right[name]) for name, value in left.items())
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            waiting.extend(zip(left, right, strict=True))
        elif left != right or isinstance(left, bool) is not isinstance(right, bool):
            return False
    return True
