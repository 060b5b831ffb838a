"""Keys: what of an event says which others it must stay in order with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from eventroute.canonical import canonical_text
from eventroute.errors import InvalidEvent, InvalidPath, InvalidSubscription
from eventroute.event import Event
from eventroute.paths import Field

__all__ = ["KeyReader", "check_order_by", "key_reader"]

KeyReader = Callable[[bytes], int | None]
"""The key of an event in its JSON form, as a number of 64 bits; None: it has none."""


def check_order_by(_instance: object, _attribute: object, text: Any) -> None:
    """A field as filters name them: an attribute, or a path into the data."""
    if text is None:
        return
    if not isinstance(text, str):
        raise InvalidSubscription(f"{text!r} is not the name of a field", where="policy.order_by")
    try:
        Field.parse(text)
    except InvalidPath as error:
        raise InvalidSubscription(str(error), where="policy.order_by") from None


@lru_cache(maxsize=1_024)
def key_reader(order_by: str) -> KeyReader:
    """What reads the key that a policy names by its `order_by`.

    Two events have the same key where the field's text is the same, as `exact` compares it: 5 and "5" are one. An event
    has none where the field is missing, null, an object or an array, or the event is none.
    """
    field = Field.parse(order_by)

    def read(raw: bytes) -> int | None:
        try:
            text = canonical_text(field(Event.from_log(raw)))
        except InvalidEvent:
            return None
        return None if text is None else _number(text)

    return read


def _number(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
