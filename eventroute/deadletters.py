"""Dead letters: which of them are meant, and what one is as an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import TypedDict

from attrs import field, frozen
from attrs.validators import instance_of, optional

from eventroute.attributes import clean_text
from eventroute.event import Event
from eventroute.storage.base import DeadLetter, Storage
from eventroute.timestamps import format_timestamp

__all__ = ["HeldKey", "Selection", "Which", "held_keys", "letter_event", "select"]

PAGE = 1_000
"""How many dead letters are looked at, redriven or purged in one change."""


class Which(TypedDict, total=False):
    """Which dead letters are meant; what is not given does not count.

    `subscription`, `reason` and `offset` are those of the letter; it became one at `since` or later and before `until`.
    """

    subscription: str
    reason: str
    offset: int
    since: datetime
    until: datetime


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: use datetime.now(UTC), for instance")
    return moment.timestamp()


@frozen(kw_only=True)
class Selection:
    """`Which`, made ready. Raises ValueError for a time without a zone."""

    subscription: str | None = field(default=None, validator=optional(instance_of(str)))
    reason: str | None = field(default=None, validator=optional(instance_of(str)))
    offset: int | None = field(default=None, validator=optional(instance_of(int)))
    since: float | None = field(default=None, converter=_seconds)
    until: float | None = field(default=None, converter=_seconds)

    def fits(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant."""
        return (
            self.subscription in (None, letter.subscription)
            and self.reason in (None, letter.reason)
            and self.offset in (None, letter.offset)
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
        )


async def select(
    storage: Storage, bus: str, which: Selection, after: tuple[str, int] | None = None
) -> AsyncGenerator[list[DeadLetter], None]:
    """The letters that are meant, behind `after`, in the order of (subscription, offset), page by page.

    A page may be empty. It is done with before the next is read, so that letters may be taken away meanwhile.
    """
    while page := await storage.dead_letters(bus, subscription=which.subscription, after=after, limit=PAGE):
        after = (page[-1].subscription, page[-1].offset)
        yield [letter for letter in page if which.fits(letter)]


def letter_event(letter: DeadLetter) -> Event:
    """The event with the attributes that say what became of it.

    `deadletterreason`, `deadlettererror` (absent where there is no more to say than the reason), `deadlettersub`,
    `deadlettertime` and `deadletterattempts`. Raises InvalidEvent where the log had lost the event.
    """
    return Event.from_log(letter.event).replace(
        {
            "deadletterreason": clean_text(letter.reason) or None,
            "deadlettererror": clean_text(letter.error) or None,
            "deadlettersub": letter.subscription,
            "deadlettertime": format_timestamp(datetime.fromtimestamp(letter.time, UTC)),
            "deadletterattempts": letter.attempts,
        }
    )


@frozen
class HeldKey:
    """A dead letter that holds its key: nothing of that key goes on until it is redriven or purged."""

    letter: DeadLetter
    behind: int
    """How many deliveries of its key wait behind it in the ledger; more may be in the log."""


async def held_keys(storage: Storage, subscription: str) -> list[HeldKey]:
    """The dead letters of a subscription that hold a key, by offset. Raises UnknownSubscription."""
    bus = (await storage.subscription(subscription)).bus
    rows = await storage.waiting_keys(bus, subscription)
    waiting = Counter(row.key for row in rows)
    held = []
    for row in [one for one in rows if one.stuck]:
        page = await storage.dead_letters(bus, subscription=subscription, after=(subscription, row.offset - 1), limit=1)
        if page and page[0].offset == row.offset:  # else somebody has acted since
            held.append(HeldKey(page[0], waiting[row.key] - 1))
    return held
