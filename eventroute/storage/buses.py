"""What is set of a bus, and what there is to say of one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Self

import msgspec
from attrs import field, frozen

from eventroute.errors import InvalidConfiguration
from eventroute.storage.retention import DAY, Retention, State, checked_keys
from eventroute.storage.values import Bounds, Mark
from eventroute.timestamps import rfc3339

__all__ = ["BusInfo", "BusSettings", "Lost", "Trimmed", "read_settings", "written_settings"]

DEDUP_LIMIT = 1_000_000
"""How many identities a bus with deduplication remembers, unless it says otherwise."""

DEAD_LETTER_AGE = 30 * DAY
"""How long a bus keeps dead letters, in seconds, unless it says otherwise."""

DEAD_LETTER_LIMIT = 1_000_000
"""How many it keeps."""


def _check_retention(_settings: BusSettings, _attribute: object, value: object) -> None:
    if not isinstance(value, Retention):
        raise InvalidConfiguration(f"must be a Retention, not {type(value).__name__}", where="retention")


def _check_window(_settings: BusSettings, _attribute: object, value: Any) -> None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (known and 0 < value < math.inf):
        raise InvalidConfiguration(f"must be more than 0 seconds, or None for off, not {value!r}", where="dedup")


def _check_limit(_settings: BusSettings, _attribute: object, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000_000:
        raise InvalidConfiguration(f"must be from 1 to 100,000,000, not {value!r}", where="dedup_limit")


def _check_letter_age(_settings: BusSettings, _attribute: object, value: Any) -> None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (known and 0 < value < math.inf):
        raise InvalidConfiguration(
            f"must be more than 0 seconds, or None for ever, not {value!r}", where="dead_letter_age"
        )


def _check_letter_limit(_settings: BusSettings, _attribute: object, value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise InvalidConfiguration(f"must be a whole number from 1, or None, not {value!r}", where="dead_letter_limit")


def _check_bytes(settings: BusSettings, _attribute: object, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidConfiguration(f"must be a whole number from 1, or None, not {value!r}", where="max_bytes")
    kept = settings.retention.max_bytes
    if kept is not None and kept > value:
        raise InvalidConfiguration(
            f"must be {value:,} at most, since the bus takes no more than that", where="retention.max_bytes"
        )


@frozen(kw_only=True)
class BusSettings:
    """What is set of a bus.

    `retention` says how long events stay. `dedup`, in seconds, is how long an event with the same source and id as
    one before is told to be that one and not stored again (None: off); at most `dedup_limit` identities are
    remembered, and where that is not enough the window shrinks. At `max_bytes` of events in their JSON form, delayed
    ones too, the bus takes no more (None: at 90 % of the file system, or whatever bound the storage has as a whole).
    Dead letters stay for `dead_letter_age` seconds (default 30 days) and at most `dead_letter_limit` of them (default
    1,000,000; None: no such bound); what goes then, the oldest first, is counted and reported.
    Raises InvalidConfiguration.
    """

    retention: Retention = field(factory=Retention, validator=_check_retention)
    dedup: float | None = field(default=None, validator=_check_window)
    dedup_limit: int = field(default=DEDUP_LIMIT, validator=_check_limit)
    max_bytes: int | None = field(default=None, validator=_check_bytes)
    dead_letter_age: float | None = field(default=DEAD_LETTER_AGE, validator=_check_letter_age)
    dead_letter_limit: int | None = field(default=DEAD_LETTER_LIMIT, validator=_check_letter_limit)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, all of it."""
        return {
            "retention": self.retention.to_dict(),
            "dedup": self.dedup,
            "dedup_limit": self.dedup_limit,
            "max_bytes": self.max_bytes,
            "dead_letter_age": self.dead_letter_age,
            "dead_letter_limit": self.dead_letter_limit,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """From the JSON form; what is absent has its default. Raises InvalidConfiguration."""
        known = ("retention", "dedup", "dedup_limit", "max_bytes", "dead_letter_age", "dead_letter_limit")
        values = checked_keys(document, known)
        if "retention" in values:
            try:
                values["retention"] = Retention.from_dict(values["retention"])
            except InvalidConfiguration as error:
                where = f"retention.{error.where}" if error.where else "retention"
                raise InvalidConfiguration(error.reason, where=where) from None
        return cls(**values)


def written_settings(settings: BusSettings) -> str:
    """Settings as a storage keeps them."""
    return msgspec.json.encode(settings.to_dict()).decode()


@lru_cache(maxsize=256)
def read_settings(text: str) -> BusSettings:
    """Settings from what a storage has kept."""
    return BusSettings.from_dict(msgspec.json.decode(text))


@frozen
class Lost:
    """What bounds took from a subscription: events by hard retention before it had read them, and dead letters.

    Nobody can say how many of these events its filters would have matched: they have not been looked at.
    """

    subscription: str
    events: int
    """How many, in all."""
    time: float
    """When last, in seconds since the epoch."""
    letters: int = 0
    """How many dead letters, in all."""


@frozen(kw_only=True)
class BusInfo:
    """What there is to say of a bus; all of it holds at one moment. Times are in seconds since the epoch."""

    name: str
    settings: BusSettings
    created: float | None
    """When it was made; None where that was before anybody wrote it down."""
    bounds: Bounds
    events: int
    size: int
    """The bytes of the events in their JSON form."""
    oldest: float | None
    """When the oldest event was appended; None where there is none."""
    newest: float | None
    needed: int
    """The first offset that a subscription has yet to settle, or the end of the log."""
    held_by: str | None
    """That subscription, or None where everybody has settled everything."""
    subscriptions: int
    remembered: int
    """How many identities are remembered to tell duplicates by."""
    dedup_window: float | None
    """How long an identity is remembered at present, in seconds: less than the setting where `dedup_limit` is reached.
    None: deduplication is off."""
    lost: tuple[Lost, ...]
    """What hard retention took, and the bound of dead letters, by subscription."""
    dead_letters: int = 0
    """How many there are."""
    oldest_dead_letter: float | None = None
    """When the oldest of them was given up; None where there is none."""
    dead_letters_dropped: int = 0
    """How many their bound has taken away, those of removed subscriptions included."""
    marks: tuple[Mark, ...] = ()
    """The oldest events, as many as were asked for."""

    def state(self) -> State:
        """What retention decides by."""
        return State(
            events=self.events,
            size=self.size,
            needed=self.needed,
            subscribed=self.subscriptions > 0,
            marks=self.marks,
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; times are RFC 3339."""
        return {
            "name": self.name,
            "settings": self.settings.to_dict(),
            "created": rfc3339(self.created),
            "first": self.bounds.first,
            "end": self.bounds.end,
            "events": self.events,
            "bytes": self.size,
            "oldest": rfc3339(self.oldest),
            "newest": rfc3339(self.newest),
            "needed": self.needed,
            "held_by": self.held_by,
            "subscriptions": self.subscriptions,
            "remembered": self.remembered,
            "dedup_window": self.dedup_window,
            "dead_letters": self.dead_letters,
            "oldest_dead_letter": rfc3339(self.oldest_dead_letter),
            "dead_letters_dropped": self.dead_letters_dropped,
            "lost": [
                {
                    "subscription": lost.subscription,
                    "events": lost.events,
                    "letters": lost.letters,
                    "time": rfc3339(lost.time),
                }
                for lost in self.lost
            ],
        }


@frozen(kw_only=True)
class Trimmed:
    """What one step of trimming did."""

    first: int
    """The first readable offset now."""
    events: int
    """How many events went in this step."""
    size: int
    """Their bytes."""
    held_by: str | None = None
    """The subscription for whose sake it went no further, or None."""
    lost: tuple[tuple[str, int], ...] = ()
    """By subscription, how many events went in this step that it had not read; only where trimming is hard."""
