"""Events that come back: an answer to a delivery may hold one, and counts of hops keep them from going in circles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Rejected

__all__ = ["HOPS", "TOO_MANY_HOPS", "Append", "Reply", "hops_of", "with_hops"]

TOO_MANY_HOPS = "too-many-hops"
"""The reason of what went from bus to bus too often."""

HOPS = "eventroutehops"
"""The attribute that counts how often an event, or the one that it answers, went from a bus to a bus."""

Append: TypeAlias = Callable[[str, Sequence[Event], str], Awaitable[object]]
"""Appends events to a bus under an append id: the same id again appends nothing.

Raises UnknownBus, InvalidEvent, StorageError.
"""


def _check_bus(_instance: object, _attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value:
        raise InvalidSubscription("must be the name of a bus", where="reply.bus")


@frozen(kw_only=True)
class Reply:
    """A CloudEvent in the answer to a delivery is published."""

    bus: str = field(validator=_check_bus)
    """To this bus."""


def hops_of(event: Event) -> int:
    """How many hops an event has behind it; what is no count is taken for none."""
    hops = event.attributes.get(HOPS, 0)
    if isinstance(hops, str) and hops.isascii() and hops.isdecimal() and len(hops) <= 9:
        return int(hops)  # an integer attribute is text in a header
    return hops if isinstance(hops, int) and not isinstance(hops, bool) and hops > 0 else 0


def with_hops(event: Event, before: int, most: int) -> Event | Rejected:
    """An event that makes one more hop after `before`, or its rejection where that is more than `most`."""
    hops = before + 1
    if hops > most:
        return Rejected(TOO_MANY_HOPS, f"it went from bus to bus {before} times, and max_hops is {most}")
    return event.replace({HOPS: hops})
