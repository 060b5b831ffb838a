"""Which events of an append came before: decided by their identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Placed", "Seen", "counts", "firing_identity", "place"]


class Seen(NamedTuple):
    """An identity that is remembered. Later ones have larger serials, and times that are no less."""

    serial: int
    time: int
    """When its event came, in microseconds since the epoch."""
    offset: int
    """Where its event is."""


class Placed(NamedTuple):
    """Where the events of an append are."""

    offsets: tuple[int, ...]
    new: Sequence[int]
    """The places, in the append, of the events that are to be appended."""
    seen: dict[bytes, Seen]
    """What is to be remembered."""
    last: int
    """The last serial."""


def counts(seen: Seen | None, *, since: int, last: int, limit: int) -> bool:
    """Whether an identity that came so still tells duplicates; the arguments are those of `place`."""
    return seen is not None and seen.time >= since and seen.serial > last - limit


def firing_identity(identity: bytes | None, number: int) -> bytes:
    """The identity of a timer's event; of one that has none, what no other event has."""
    return b"timer %d" % number if identity is None else identity


def place(
    identities: Sequence[bytes],
    known: Mapping[bytes, Seen],
    *,
    end: int,
    last: int,
    now: int,
    since: int,
    limit: int,
) -> Placed:
    """Where each event is: at the offset of the first of its identity, or from `end` on.

    `known` has those of the identities that are remembered. They count where they came at `since` or later (as `now`
    in microseconds) and are among the last `limit`, of which the last has the serial `last`.
    """
    offsets: list[int] = []
    new: list[int] = []
    fresh: dict[bytes, Seen] = {}
    for number, identity in enumerate(identities):
        seen = fresh.get(identity) or known.get(identity)
        if seen is None or not counts(seen, since=since, last=last, limit=limit):
            last += 1
            fresh.pop(identity, None)  # the latest stand last
            seen = fresh[identity] = Seen(last, now, end + len(new))
            new.append(number)
        offsets.append(seen.offset)
    return Placed(tuple(offsets), tuple(new), fresh, last)
