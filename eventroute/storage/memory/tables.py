"""The ledger in dictionaries."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve

from eventroute.storage.base import (
    LIVE,
    STUCK,
    Changes,
    Claim,
    Reader,
    Span,
    StoredSubscription,
    Waiting,
    WaitingKey,
    WaitingSummary,
)
from eventroute.storage.memory.letters import MemoryLetters
from eventroute.storage.memory.rows import Row, firsts_of
from eventroute.storage.tables import REMOVED_KEPT, Need

__all__ = ["MemoryTables"]


class MemoryTables(MemoryLetters):
    """`Tables` in memory; the log and the dead letters are its bases'."""

    def __init__(self) -> None:
        super().__init__()
        self._subscriptions: dict[str, StoredSubscription] = {}
        self._spans: dict[str, tuple[Span, ...]] = {}
        self._own: dict[str, dict[str, Reader]] = {}
        self._waiting: dict[str, dict[int, Row]] = {}
        self._senders: dict[str, str] = {}

    # -- what the log is needed for ---------------------------------------------------------------------------------

    def first_need(self, bus: str) -> tuple[int, str] | None:
        """The first that has yet to be settled."""
        unread = ((need.start, need.subscription) for need in self.needs(bus, self.bounds(bus).end))
        unsettled = (
            (offset, subscription)
            for subscription in self._bus(bus).changed
            for offset, row in self._waiting.get(subscription, {}).items()
            if row.waiting.event is None
        )
        return min(itertools.chain(unread, unsettled), default=None)

    def needs(self, bus: str, before: int) -> list[Need]:
        """What has yet to be read."""
        state, needs = self._bus(bus), []
        for subscription in state.changed:
            for span in self._spans[subscription]:
                reader = state.readers.get(span.reader)
                start = span.start if reader is None else max(span.start, reader.position)
                if reader is not None and start < before and (span.until is None or start < span.until):
                    needs.append(Need(subscription, start, span.until))
        return needs

    def keep_events(self, bus: str, before: int) -> None:
        """Copy events into rows."""
        state = self._bus(bus)
        for subscription in state.changed:
            for offset, row in self._waiting.get(subscription, {}).items():
                if row.waiting.event is None and state.first <= offset < before:
                    row.waiting = evolve(row.waiting, event=state.records[offset - state.first].event)

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def subscription(self, subscription: str) -> StoredSubscription | None:
        """One subscription."""
        return self._subscriptions.get(subscription)

    def changed_at(self, stored: StoredSubscription) -> int:
        """The version."""
        return self._bus(stored.bus).changed[stored.id]

    def put_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Insert or overwrite."""
        self._subscriptions[stored.id] = stored
        state = self._bus(stored.bus)
        state.removed.pop(stored.id, None)
        state.changed.pop(stored.id, None)
        state.changed[stored.id] = version

    def drop_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Remove, and remember that it was there."""
        del self._subscriptions[stored.id]
        self._spans.pop(stored.id, None)
        self._waiting.pop(stored.id, None)
        self._own.pop(stored.id, None)
        self._breakers.pop(stored.id, None)
        self._senders.pop(stored.id, None)
        state = self._bus(stored.bus)
        del state.changed[stored.id]
        state.lost.pop(stored.id, None)
        state.removed[stored.id] = version
        if len(state.removed) > REMOVED_KEPT:
            state.removed.clear()
            state.horizon = version

    def spans(self, subscription: str) -> list[Span]:
        """Its spans."""
        return list(self._spans.get(subscription, ()))

    def put_spans(self, subscription: str, spans: Sequence[Span]) -> None:
        """Replace its spans."""
        self._spans[subscription] = tuple(spans)

    def changes(self, bus: str, after: int) -> Changes:
        """What has changed."""
        state = self._bus(bus)
        if after <= 0 or after < state.horizon or after > state.version:
            everything = [self._subscriptions[subscription] for subscription in state.changed]
            return Changes(state.version, True, tuple(everything), self._spans_of(everything))
        changed = [self._subscriptions[subscription] for subscription in _after(state.changed, after)]
        gone = [_gone(subscription, bus) for subscription in _after(state.removed, after)]
        return Changes(state.version, False, (*changed, *gone), self._spans_of(changed))

    def _spans_of(self, rows: Iterable[StoredSubscription]) -> tuple[Span, ...]:
        return tuple(span for row in rows for span in self._spans[row.id])

    # -- readers and claims ----------------------------------------------------------------------------------------

    def readers(self, bus: str) -> tuple[Reader, ...]:
        """The live one, then the others by name."""
        return tuple(sorted(self._bus(bus).readers.values(), key=_live_first))

    def readers_of(self, subscription: str) -> list[Reader]:
        """Its own readers."""
        return list(self._own.get(subscription, {}).values())

    def reader(self, bus: str, name: str) -> Reader | None:
        """One reader."""
        return self._bus(bus).readers.get(name)

    def put_reader(self, reader: Reader) -> None:
        """Insert or overwrite."""
        state = self._bus(reader.bus)
        state.readers[reader.name] = reader
        state.claims.setdefault(reader.name, {})
        if reader.subscription is not None:
            self._own.setdefault(reader.subscription, {})[reader.name] = reader

    def drop_reader(self, reader: Reader) -> None:
        """Remove."""
        state = self._bus(reader.bus)
        del state.readers[reader.name]
        del state.claims[reader.name]
        state.sharing.pop(reader.name, None)
        if reader.subscription is not None:
            del self._own[reader.subscription][reader.name]

    def claim_at(self, bus: str, reader: str, start: int) -> Claim | None:
        """The claim that starts there."""
        return self._bus(bus).claims.get(reader, {}).get(start)

    def free_claim(self, bus: str, reader: str) -> Claim | None:
        """The first whose session is gone."""
        claims = self._bus(bus).claims[reader]
        free = [start for start, claim in claims.items() if claim.session not in self._sessions]
        return claims[min(free)] if free else None

    def claims_over(self, bus: str, offset: int) -> list[Claim]:
        """Those that hold it."""
        claims = (claim for held in self._bus(bus).claims.values() for claim in held.values())
        return [claim for claim in claims if claim.start <= offset < claim.end]

    def first_claim(self, bus: str, reader: str) -> int | None:
        """Where the first starts."""
        return min(self._bus(bus).claims[reader], default=None)

    def claimed_by_others(self, bus: str, reader: str, session: str) -> bool:
        """Whether others have claims."""
        claims = self._bus(bus).claims[reader].values()
        return any(claim.session != session and claim.session in self._sessions for claim in claims)

    def share(self, bus: str, reader: str, session: str) -> bool:
        """Share a reader."""
        sharing = self._bus(bus).sharing.setdefault(reader, set())
        sharing.intersection_update(self._sessions)
        sharing.add(session)
        return len(sharing) > 1

    def claims(self, bus: str) -> tuple[Claim, ...]:
        """Those that are open."""
        return tuple(
            claim for _, starts in sorted(self._bus(bus).claims.items()) for _, claim in sorted(starts.items())
        )

    def put_claim(self, claim: Claim) -> None:
        """Insert or overwrite."""
        self._bus(claim.bus).claims[claim.reader][claim.start] = claim

    def drop_claim(self, claim: Claim) -> None:
        """Remove."""
        del self._bus(claim.bus).claims[claim.reader][claim.start]

    # -- waiting deliveries ----------------------------------------------------------------------------------------

    def put_waiting(self, waiting: Waiting, session: str | None) -> None:
        """Insert or overwrite."""
        rows = self._waiting.setdefault(waiting.subscription, {})
        before = rows.get(waiting.offset) if waiting.event is None else None
        if before is not None and before.waiting.event is not None:
            waiting = evolve(waiting, event=before.waiting.event)
        rows[waiting.offset] = Row(waiting, session)

    def put_waiting_again(self, waiting: Waiting, session: str | None, by: str) -> None:
        """Overwrite."""
        row = self._waiting.get(waiting.subscription, {}).get(waiting.offset)
        if (
            row is not None
            and self.may_end(waiting.subscription, waiting.offset, by)
            and row.waiting.attempts <= waiting.attempts
        ):
            self.put_waiting(waiting, session)

    def drop_waiting(self, subscription: str, offset: int) -> None:
        """Remove."""
        self._waiting.get(subscription, {}).pop(offset, None)

    def settle_waiting(self, subscription: str, offset: int, by: str) -> None:
        """Remove, where it may."""
        if self.may_end(subscription, offset, by):
            self.drop_waiting(subscription, offset)

    def may_end(self, subscription: str, offset: int, by: str) -> bool:
        """Whether no other holds it."""
        row = self._waiting.get(subscription, {}).get(offset)
        return row is not None and (row.session == by or row.session not in self._sessions)

    def is_stuck(self, subscription: str, offset: int) -> bool:
        """Whether it is there and stuck."""
        row = self._waiting.get(subscription, {}).get(offset)
        return row is not None and row.waiting.due == STUCK

    def sender(self, subscription: str) -> str | None:
        """Who sends for it."""
        return self._senders.get(subscription)

    def put_sender(self, subscription: str, session: str) -> None:
        """Insert or overwrite."""
        self._senders[subscription] = session

    def senders(self, bus: str, now: float) -> dict[str, str]:
        """By subscription."""
        changed = self._bus(bus).changed
        return {
            subscription: session
            for subscription, session in self._senders.items()
            if subscription in changed and self._sessions.get(session, now) > now
        }

    def drop_stuck(self, subscription: str, offset: int) -> None:
        """Remove, where it is stuck."""
        if self.is_stuck(subscription, offset):
            self.drop_waiting(subscription, offset)

    def waiting_key(self, subscription: str, offset: int) -> int | None:
        """The key of one."""
        row = self._waiting.get(subscription, {}).get(offset)
        return None if row is None else row.waiting.key

    def waiting_keys(self, subscription: str) -> list[WaitingKey]:
        """Those with a key."""
        rows = sorted(self._waiting.get(subscription, {}).items())
        return [
            WaitingKey(offset, row.waiting.key, row.waiting.due == STUCK)
            for offset, row in rows
            if row.waiting.key is not None
        ]

    def first_of_key(self, subscription: str, key: int) -> WaitingKey | None:
        """The first of a key."""
        return next((one for one in self.waiting_keys(subscription) if one.key == key), None)

    def has_keys(self, subscription: str) -> bool:
        """Whether any has a key."""
        return any(row.waiting.key is not None for row in self._waiting.get(subscription, {}).values())

    def waiting_at(self, bus: str, offset: int) -> list[tuple[Waiting, str | None]]:
        """Those of all subscriptions."""
        rows = ((name, self._waiting.get(name, {}).get(offset)) for name in sorted(self._bus(bus).changed))
        return [(row.waiting, row.session) for _, row in rows if row is not None]

    def waiting_after(self, subscription: str, after: int, limit: int) -> list[tuple[Waiting, str | None]]:
        """A page of them."""
        rows = self._waiting.get(subscription, {})
        page = heapq.nsmallest(limit, (offset for offset in rows if offset > after))
        return [(rows[offset].waiting, rows[offset].session) for offset in page]

    def free_waiting(self, subscription: str, now: float, limit: int) -> list[Waiting]:
        """Those due and free."""
        rows = self._waiting.get(subscription, {}).values()
        free = (row.waiting for row in rows if row.waiting.due <= now and row.session not in self._sessions)
        return heapq.nsmallest(limit, free, key=_due)

    def free_in_turn(self, subscription: str, session: str, now: float, limit: int) -> list[Waiting]:
        """Those due and free whose turn it is."""
        free: list[Waiting] = []
        barred: set[int | None] = set()
        for _, row in sorted(self._waiting.get(subscription, {}).items()):
            if len(free) == limit:
                break
            waiting = row.waiting
            if waiting.due > now or (row.session in self._sessions and row.session != session):
                barred.add(waiting.key)
            elif waiting.key not in barred or waiting.key is None:
                if row.session not in self._sessions:
                    free.append(waiting)
                if waiting.attempts:
                    barred.add(waiting.key)
        return free

    def hold_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Let the session hold them."""
        for item in waiting:
            self._waiting[item.subscription][item.offset].session = session

    def let_go_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Free them."""
        for item in waiting:
            row = self._waiting.get(item.subscription, {}).get(item.offset)
            if row is not None and row.session == session:
                row.session = None

    def rejuvenate_waiting(self, subscription: str, seconds: float) -> None:
        """Move first attempts ahead."""
        for row in self._waiting.get(subscription, {}).values():
            if row.waiting.first_attempt is not None:
                row.waiting = evolve(row.waiting, first_attempt=row.waiting.first_attempt + seconds)

    def waiting(self, bus: str, before: int | None, now: float) -> tuple[WaitingSummary, ...]:
        """By subscription."""
        self._bus(bus)
        return tuple(self._summaries(bus, before, now))

    def _summaries(self, bus: str, before: int | None, now: float) -> Iterator[WaitingSummary]:
        living = self.living(now)
        for subscription, rows in sorted(self._waiting.items()):
            if self._subscriptions[subscription].bus != bus:
                continue
            counted = [row for offset, row in rows.items() if before is None or offset < before]
            if counted:
                firsts = firsts_of(rows.values())
                free = [row for row in counted if row.session not in living]
                due = (one.waiting.due for one in free if firsts.get(one.waiting.key, one) is one)
                stuck = sum(STUCK in (one.waiting.due, firsts.get(one.waiting.key, one).waiting.due) for one in counted)
                next_due = min((time for time in due if time != STUCK), default=None)
                yield WaitingSummary(subscription, len(counted), len(free), next_due, stuck)


def _due(waiting: Waiting) -> tuple[float, int]:
    return waiting.due, waiting.offset


def _live_first(reader: Reader) -> tuple[bool, str]:
    return reader.name != LIVE, reader.name


def _after(versions: dict[str, int], after: int) -> Iterator[str]:
    """Those above a version, of a mapping in ascending order."""
    return itertools.takewhile(lambda subscription: versions[subscription] > after, reversed(versions))


def _gone(subscription: str, bus: str) -> StoredSubscription:
    return StoredSubscription(subscription, bus, b"", 0, None, LIVE, removed=True)
