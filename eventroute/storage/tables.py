"""The rows of the ledger, as a backend that works step by step keeps them.

`ledger.py` and `placement.py` hold the meaning of the interface once; a backend brings these tables and makes each
call one atomic change: SQL tables inside a transaction, dictionaries under a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from attrs import frozen

from eventroute.storage.base import (
    Bounds,
    BreakerState,
    BusSettings,
    Changes,
    Claim,
    DeadLetter,
    Forwards,
    Lost,
    Mark,
    Reader,
    Span,
    StoredSubscription,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.fates import TracingTables
from eventroute.storage.session_tables import SessionTables
from eventroute.storage.transfer_tables import TransferTables

__all__ = ["FIRST_OFFSET", "LONGEST_LEASE", "REMOVED_KEPT", "BusRow", "Need", "Tables", "micros", "timer_number"]

FIRST_OFFSET = 1
"""The first offset of a bus, while none was deleted."""

LONGEST_LEASE = 86_400.0
"""Seconds: no session has a longer lease."""

REMOVED_KEPT = 1_000
"""How many removed subscriptions a bus remembers; at one more it forgets them all, and `changes` gives a reset."""


_FAR = 9e12  # seconds: beyond any date, within 64 bits of microseconds


def micros(time: float) -> int:
    """Seconds in whole microseconds, which is how exact the log keeps time."""
    return round(max(-_FAR, min(time, _FAR)) * 1e6)


def timer_number(timer: str) -> int:
    """A timer's number from its id, which is the number in digits; 0, which no timer has, where it is no such id."""
    return int(timer) if timer.isascii() and timer.isdecimal() and len(timer) < 19 else 0


@frozen
class BusRow:
    """A bus: what is set of it, and how large it is."""

    settings: BusSettings
    created: float | None
    bounds: Bounds
    size: int
    newest: float
    """When the last event was appended, trimmed ones included."""
    letters: int
    """How many dead letters there are."""
    dropped: int
    """How many a bound has taken away."""


@frozen
class Need:
    """A subscription has yet to read `start` <= offset < `until` (None: open)."""

    subscription: str
    start: int
    until: int | None


class Tables(SessionTables, TracingTables, TransferTables, Protocol):
    """Rows read and written one by one. A method that takes a bus raises UnknownBus only where it says so."""

    # -- buses and the log -----------------------------------------------------------------------------------------

    def version(self, bus: str) -> int:
        """The bus's version. Raises UnknownBus."""
        ...

    def raise_version(self, bus: str) -> int:
        """Count the bus's version up by one and return it."""
        ...

    def bounds(self, bus: str) -> Bounds:
        """What is readable. Raises UnknownBus."""
        ...

    def offset_at(self, bus: str, time: float) -> int:
        """See `Storage.offset_at`."""
        ...

    def bus(self, bus: str) -> BusRow:
        """A bus. Raises UnknownBus."""
        ...

    def count_subscriptions(self, bus: str) -> int:
        """How many the bus has."""
        ...

    # -- trimming --------------------------------------------------------------------------------------------------

    def marks(self, bus: str, limit: int) -> list[Mark]:
        """The oldest events, at most `limit`."""
        ...

    def size_below(self, bus: str, before: int) -> int:
        """The bytes of all events below `before`, which is not above the end."""
        ...

    def first_need(self, bus: str) -> tuple[int, str] | None:
        """The first offset in the log that has yet to be settled, and by whom: what a span's reader has not passed, or
        what waits without its event.
        """
        ...

    def needs(self, bus: str, before: int) -> list[Need]:
        """What of the log below `before` has yet to be read: the spans less what their readers have passed."""
        ...

    def keep_events(self, bus: str, before: int) -> None:
        """Copy the events of what waits below `before` into its rows, where they are not there."""
        ...

    def drop_events(self, bus: str, before: int, size: int) -> None:
        """Take away all events below `before`, which are `size` bytes."""
        ...

    def readers_behind(self, bus: str, offset: int) -> list[Reader]:
        """The readers whose position is below `offset`."""
        ...

    def add_lost(self, bus: str, subscription: str, events: int, now: float) -> None:
        """Count events that a subscription has lost."""
        ...

    def add_dropped(self, bus: str, subscription: str, letters: int, now: float) -> None:
        """Count dead letters that were taken away: of the bus, and of the subscription where it is there."""
        ...

    def lost(self, bus: str) -> tuple[Lost, ...]:
        """What was lost, by subscription."""
        ...

    def remembered(self, bus: str, now: float) -> tuple[int, float]:
        """How many identities count, and when the oldest of them came (`now` where there is none)."""
        ...

    def forget_identities(self, bus: str, now: float, limit: int) -> None:
        """Forget some of those that no longer count, at most `limit`."""
        ...

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def subscription(self, subscription: str) -> StoredSubscription | None:
        """One subscription."""
        ...

    def changed_at(self, stored: StoredSubscription) -> int:
        """At which version of its bus a subscription, which is there, last changed."""
        ...

    def put_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Insert or overwrite, as changed at this version."""
        ...

    def drop_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Remove it with its spans, waiting deliveries and breaker; remember that it went, for `changes`."""
        ...

    def spans(self, subscription: str) -> list[Span]:
        """Its spans."""
        ...

    def put_spans(self, subscription: str, spans: Sequence[Span]) -> None:
        """Replace its spans."""
        ...

    def changes(self, bus: str, after: int) -> Changes:
        """See `Storage.changes`. Raises UnknownBus."""
        ...

    # -- readers and claims ----------------------------------------------------------------------------------------

    def readers(self, bus: str) -> tuple[Reader, ...]:
        """Every reader of the bus, `live` first."""
        ...

    def readers_of(self, subscription: str) -> list[Reader]:
        """The subscription's own readers."""
        ...

    def reader(self, bus: str, name: str) -> Reader | None:
        """One reader."""
        ...

    def put_reader(self, reader: Reader) -> None:
        """Insert or overwrite."""
        ...

    def drop_reader(self, reader: Reader) -> None:
        """Remove it with its claims and who shares it."""
        ...

    def claim_at(self, bus: str, reader: str, start: int) -> Claim | None:
        """The open claim that starts there."""
        ...

    def free_claim(self, bus: str, reader: str) -> Claim | None:
        """The first open claim whose session is not there any more."""
        ...

    def first_claim(self, bus: str, reader: str) -> int | None:
        """Where the first open claim starts."""
        ...

    def claimed_by_others(self, bus: str, reader: str, session: str) -> bool:
        """Whether another session that is there has an open claim."""
        ...

    def share(self, bus: str, reader: str, session: str) -> bool:
        """Have the session share the reader, as long as it is there; whether another one that is there does, too."""
        ...

    def put_claim(self, claim: Claim) -> None:
        """Insert or overwrite."""
        ...

    def drop_claim(self, claim: Claim) -> None:
        """Remove it."""
        ...

    # -- waiting deliveries and dead letters -----------------------------------------------------------------------

    def put_waiting(self, waiting: Waiting, session: str | None) -> None:
        """Insert or overwrite; the event that is there stays, where it brings none."""
        ...

    def put_waiting_again(self, waiting: Waiting, session: str | None, by: str) -> None:
        """Overwrite it for the session `by`, which has had it in hand; see `Wait.again`."""
        ...

    def drop_waiting(self, subscription: str, offset: int) -> None:
        """Remove it, if it is there."""
        ...

    def settle_waiting(self, subscription: str, offset: int, by: str) -> None:
        """Remove it, if it is there and no other session that is there holds it but `by`."""
        ...

    def may_end(self, subscription: str, offset: int, by: str) -> bool:
        """Whether it is there and no other session that is there holds it but `by`."""
        ...

    def is_stuck(self, subscription: str, offset: int) -> bool:
        """Whether it is there and stuck."""
        ...

    def sender(self, subscription: str) -> str | None:
        """The session that sends for it, or did; empty: none does any more. None: none ever did."""
        ...

    def put_sender(self, subscription: str, session: str) -> None:
        """Insert or overwrite."""
        ...

    def senders(self, bus: str, now: float) -> dict[str, str]:
        """See `Storage.senders`; a session that lapses at `now` or before does not count."""
        ...

    def drop_stuck(self, subscription: str, offset: int) -> None:
        """Remove it, if it is there and stuck."""
        ...

    def waiting_key(self, subscription: str, offset: int) -> int | None:
        """Its key, if it is there and has one."""
        ...

    def waiting_keys(self, subscription: str) -> list[WaitingKey]:
        """Those with a key, by offset."""
        ...

    def has_keys(self, subscription: str) -> bool:
        """Whether any of its waiting deliveries has a key. Asked often."""
        ...

    def free_waiting(self, subscription: str, now: float, limit: int) -> list[Waiting]:
        """Those due at `now` whose session is not there, in the order of (due, offset)."""
        ...

    def free_in_turn(self, subscription: str, session: str, now: float, limit: int) -> list[Waiting]:
        """Those due at `now` whose session is not there and whose key the session may have (see
        `Storage.claim_waiting`), by offset.
        """
        ...

    def hold_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Let the session hold these."""
        ...

    def let_go_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Free those of them that the session holds."""
        ...

    def rejuvenate_waiting(self, subscription: str, seconds: float) -> None:
        """Move the first attempts of its waiting deliveries ahead, where they have had one."""
        ...

    def waiting(self, bus: str, before: int | None, now: float) -> tuple[WaitingSummary, ...]:
        """See `Storage.waiting`; a session that lapses at `now` or before does not count."""
        ...

    def dead_letter(self, bus: str, subscription: str, offset: int) -> DeadLetter | None:
        """One dead letter."""
        ...

    def dead_letter_born(self, bus: str, subscription: str, offset: int) -> int:
        """What `born` its subscription had when it became one; 0 where there is none."""
        ...

    def put_dead_letter(self, bus: str, letter: DeadLetter, born: int) -> None:
        """Insert or overwrite; nobody holds it then. `born` is that of its subscription."""
        ...

    def drop_dead_letter(self, bus: str, subscription: str, offset: int) -> None:
        """Remove it, if it is there."""
        ...

    def dead_letters(
        self, bus: str, subscription: str | None, after: tuple[str, int] | None, limit: int
    ) -> list[DeadLetter]:
        """See `Storage.dead_letters`."""
        ...

    def count_dead_letters(self, bus: str) -> dict[tuple[str, str], int]:
        """See `Storage.count_dead_letters`."""
        ...

    def oldest_dead_letters(self, bus: str, limit: int) -> list[tuple[str, int, float, int]]:
        """Subscription, offset, time and bytes of the oldest, at most `limit`."""
        ...

    def forwards(self, bus: str, now: float) -> tuple[Forwards, ...]:
        """See `Storage.forwards`; a session that lapses at `now` or before does not count."""
        ...

    def free_letters(self, bus: str, subscription: str, now: float, limit: int) -> list[DeadLetter]:
        """Those whose forward is due at `now` and whose session is not there, in the order of (due, offset)."""
        ...

    def hold_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Let the session hold these."""
        ...

    def let_go_letters(self, bus: str, letters: Iterable[DeadLetter], session: str) -> None:
        """Free those of them that the session holds."""
        ...

    def letter_holder(self, bus: str, subscription: str, offset: int) -> str | None:
        """The session that is there and holds it, if any does."""
        ...

    def put_off(self, bus: str, letter: DeadLetter) -> None:
        """Write down the `forward` of a dead letter that is there; nobody holds it then."""
        ...

    # -- breakers --------------------------------------------------------------------------------------------------

    def breaker(self, subscription: str) -> BreakerState | None:
        """What is known of a subscription's breaker."""
        ...

    def put_breaker(self, bus: str, state: BreakerState) -> None:
        """Insert or overwrite, with a number above all before."""
        ...

    def breakers(self, bus: str, after: int) -> tuple[BreakerState, ...]:
        """See `Storage.breakers`."""
        ...
