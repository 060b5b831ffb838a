"""Sessions, claims, waiting deliveries and dead letters, decided over `Tables`.

Every function checks before it writes: one that raises has written nothing. A session that has lapsed is removed by the
first change of another after its time and its id never comes back; so "the session is there" is all that fencing needs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal, TypeAlias

from attrs import evolve

from eventroute.errors import LeaseLost
from eventroute.storage import claims
from eventroute.storage.base import (
    STUCK,
    Advance,
    Bury,
    Claim,
    Complete,
    DeadLetter,
    Dropped,
    Entry,
    Forwarded,
    PutOff,
    Session,
    Settle,
    StoredSubscription,
    Trip,
    Wait,
    Waiting,
    WaitingKey,
)
from eventroute.storage.sending import Took
from eventroute.storage.tables import Tables
from eventroute.storage.trimming import STEP_BYTES

__all__ = [
    "claim",
    "claim_letters",
    "claim_waiting",
    "close_session",
    "drop_letters",
    "extend_session",
    "leave_sending",
    "new_session",
    "open_session",
    "purge",
    "redrive",
    "release",
    "release_letters",
    "release_waiting",
    "take_sending",
    "waiting_keys",
    "write",
]

_Born: TypeAlias = Callable[[str], int | None]


def new_session(ttl: float) -> Session:
    """A session under an id that none ever had."""
    return Session(secrets.token_hex(12), ttl)


def open_session(tables: Tables, session: Session, now: float) -> Session:
    """See `Storage.open_session`."""
    tables.drop_lapsed(now)
    tables.put_session(session.id, now + session.ttl)
    return session


def extend_session(tables: Tables, session: Session, now: float) -> None:
    """See `Storage.extend_session`."""
    _living(tables, session, now)
    tables.put_session(session.id, now + session.ttl)


def close_session(tables: Tables, session: Session) -> None:
    """See `Storage.close_session`."""
    tables.drop_session(session.id)


def claim(
    tables: Tables, bus: str, reader: str, session: Session, limit: int, now: float, *, alone: bool = False
) -> Claim | None:
    """See `Storage.claim`."""
    version = tables.version(bus)
    _living(tables, session, now)
    row = tables.reader(bus, reader)
    if row is None or (row.subscription is not None and _asleep(tables, row.subscription, bus)):
        return None
    shared = alone and tables.share(bus, reader, session.id)
    if alone and tables.claimed_by_others(bus, reader, session.id):
        return None
    free = tables.free_claim(bus, reader)
    if free is not None:
        taken = evolve(free, session=session.id)
    else:
        end = min(row.claimed + limit, tables.bounds(bus).end)
        if row.until is not None:
            end = min(end, row.until)
        if end <= row.claimed:
            return None
        taken = Claim(bus, reader, row.claimed, end, version, session.id)
        tables.put_reader(evolve(row, claimed=end))
    tables.put_claim(taken)
    return evolve(taken, shared=shared)


def release(tables: Tables, taken: Claim | None) -> None:
    """Give a claim back, free for anybody, where its session still holds it."""
    if taken is not None and tables.claim_at(taken.bus, taken.reader, taken.start) == taken:
        tables.put_claim(evolve(taken, session=""))


def claim_waiting(
    tables: Tables,
    bus: str,
    subscription: str,
    session: Session,
    now: float,
    limit: int,
    lease_now: float,
    known: int | None = None,
) -> list[Waiting]:
    """See `Storage.claim_waiting`; `lease_now` is the time that leases run by."""
    tables.version(bus)
    _living(tables, session, lease_now)
    if _asleep(tables, subscription, bus, known):
        return []
    if tables.has_keys(subscription):
        taken = tables.free_in_turn(subscription, session.id, now, limit)
    else:
        taken = tables.free_waiting(subscription, now, limit)
    tables.hold_waiting(taken, session.id)
    return taken


def waiting_keys(tables: Tables, bus: str, subscription: str) -> list[WaitingKey]:
    """See `Storage.waiting_keys`."""
    tables.version(bus)
    stored = tables.subscription(subscription)
    return [] if stored is None or stored.bus != bus else tables.waiting_keys(subscription)


def take_sending(tables: Tables, bus: str, subscription: str, session: Session, now: float) -> Took | None:
    """See `Storage.take_sending`."""
    tables.version(bus)
    _living(tables, session, now)
    stored = tables.subscription(subscription)
    before = tables.sender(subscription)
    if stored is None or stored.bus != bus:
        return None
    if before == session.id:
        return "again"
    if before is not None and tables.has_session(before):
        return None
    tables.put_sender(subscription, session.id)
    return "first" if before is None else "after another"


def leave_sending(tables: Tables, bus: str, subscription: str, session: Session) -> None:
    """See `Storage.leave_sending`."""
    tables.version(bus)
    if tables.sender(subscription) == session.id:
        tables.put_sender(subscription, "")


def release_waiting(tables: Tables, taken: Sequence[Waiting], session: Session) -> None:
    """Give waiting deliveries back that the session has just taken."""
    tables.let_go_waiting(taken, session.id)


def write(
    tables: Tables,
    bus: str,
    session: Session,
    entries: Sequence[Entry],
    now: float,
    known: int | None = None,
    number: int | None = None,
) -> None:
    """See `Storage.write`."""
    tables.version(bus)
    _there(tables, session)
    if number is not None and number <= tables.last_write(session.id):
        return
    for entry in entries:
        if isinstance(entry, Advance | Complete):
            claims.check(tables, bus, entry.claim, session)
    if number is not None:
        tables.put_last_write(session.id, number)
    tables.drop_lapsed(now, keep=session.id)
    born = _served(tables, bus, known)
    for entry in entries:
        _apply(tables, bus, session, entry, born)


def claim_letters(
    tables: Tables, bus: str, subscription: str, session: Session, now: float, limit: int, lease_now: float
) -> list[DeadLetter]:
    """See `Storage.claim_letters`; `lease_now` is the time that leases run by."""
    tables.version(bus)
    _living(tables, session, lease_now)
    taken = tables.free_letters(bus, subscription, now, limit)
    tables.hold_letters(bus, taken, session.id)
    return taken


def release_letters(tables: Tables, bus: str, taken: Sequence[DeadLetter], session: Session) -> None:
    """Give dead letters back that the session has just taken."""
    tables.let_go_letters(bus, taken, session.id)


def redrive(tables: Tables, bus: str, letters: Sequence[tuple[str, int]], due: float, removed: bool) -> int:
    """See `Storage.redrive`."""
    tables.version(bus)
    born = _served(tables, bus)
    count = 0
    for subscription, offset in letters:
        letter = tables.dead_letter(bus, subscription, offset)
        if letter is None or not letter.event or born(subscription) is None:
            continue
        if not removed and tables.dead_letter_born(bus, subscription, offset) != born(subscription):
            continue
        tables.drop_dead_letter(bus, subscription, offset)
        key = tables.waiting_key(subscription, offset)
        tables.put_waiting(Waiting(subscription, offset, due, event=letter.event, key=key), None)
        count += 1
    return count


def purge(tables: Tables, bus: str, letters: Sequence[tuple[str, int]]) -> int:
    """See `Storage.purge`."""
    tables.version(bus)
    there = [name for name in dict.fromkeys(letters) if tables.dead_letter(bus, *name) is not None]
    for name in there:
        tables.drop_dead_letter(bus, *name)
        tables.drop_stuck(*name)
    return len(there)


def drop_letters(
    tables: Tables, bus: str, before: float, keep: int | None, limit: int, now: float
) -> tuple[Dropped, ...]:
    """See `Storage.drop_dead_letters`."""
    left, size = tables.bus(bus).letters, 0
    counts: dict[tuple[str, Literal["age", "limit"]], int] = {}
    for subscription, offset, time, bytes_ in tables.oldest_dead_letters(bus, limit):
        size += bytes_
        if (time >= before and (keep is None or left <= keep)) or (counts and size > STEP_BYTES):
            break
        tables.drop_dead_letter(bus, subscription, offset)
        tables.drop_stuck(subscription, offset)
        reason: Literal["age", "limit"] = "age" if time < before else "limit"
        counts[subscription, reason] = counts.get((subscription, reason), 0) + 1
        left -= 1
    for (subscription, _), count in counts.items():
        tables.add_dropped(bus, subscription, count, now)
    return tuple(Dropped(subscription, count, reason) for (subscription, reason), count in counts.items())


def _living(tables: Tables, session: Session, now: float) -> None:
    """A session that is late but that nobody has missed still has all that it had: it goes on."""
    _there(tables, session)
    tables.drop_lapsed(now, keep=session.id)


def _there(tables: Tables, session: Session) -> None:
    if not tables.has_session(session.id):
        raise LeaseLost(f"the session {session.id} has lapsed or was closed")


def _asleep(tables: Tables, subscription: str, bus: str, known: int | None = None) -> bool:
    stored = tables.subscription(subscription)
    return stored is None or stored.bus != bus or stored.paused is not None or _is_newer(stored, known)


def _is_newer(stored: StoredSubscription, known: int | None) -> bool:
    """Whether who knows subscriptions up to the version `known` cannot mean this one, but one before of its id."""
    return known is not None and stored.born > known


def _served(tables: Tables, bus: str, known: int | None = None) -> _Born:
    """What tells the `born` of a subscription that is on the bus and is not newer than `known`, else None; of each it
    is asked once.
    """

    @cache
    def born(subscription: str) -> int | None:
        stored = tables.subscription(subscription)
        gone = stored is None or stored.bus != bus or _is_newer(stored, known)
        return None if stored is None or gone else stored.born

    return born


def _apply(tables: Tables, bus: str, session: Session, entry: Entry, born: _Born) -> None:
    match entry:
        case Advance(claimed, start):
            claims.advance(tables, claimed, start)
        case Complete(done):
            claims.complete(tables, done)
        case Forwarded() | PutOff():
            _apply_to_letter(tables, bus, session, entry)
        case _:
            _apply_to_delivery(tables, bus, session, entry, born)


def _apply_to_delivery(
    tables: Tables, bus: str, session: Session, entry: Wait | Settle | Bury | Trip, born: _Born
) -> None:
    name = _whose(entry)
    its_born = born(name)
    if its_born is None:
        return
    match entry:
        case Wait(waiting, held, again):
            holder = session.id if held else None
            if again:
                tables.put_waiting_again(waiting, holder, session.id)
            else:
                tables.put_waiting(waiting, holder)
        case Settle(_, offset):
            tables.settle_waiting(name, offset, session.id)
        case Bury(letter, key, again):
            if not again or tables.may_end(name, letter.offset, session.id):
                _bury(tables, bus, letter, key, its_born)
        case Trip(state):
            before = tables.breaker(name)
            if before is None or before.serial < state.serial:
                tables.put_breaker(bus, state)


def _whose(entry: Wait | Settle | Bury | Trip) -> str:
    match entry:
        case Wait(waiting):
            return waiting.subscription
        case Bury(letter):
            return letter.subscription
        case Trip(state):
            return state.subscription
        case Settle(subscription):
            return subscription


def _apply_to_letter(tables: Tables, bus: str, session: Session, entry: Forwarded | PutOff) -> None:
    """Without effect where another letter has come to the same delivery since."""
    letter = entry.letter
    found = tables.dead_letter(bus, letter.subscription, letter.offset)
    if found is None or found.time != letter.time:
        return
    if isinstance(entry, PutOff):
        holder = tables.letter_holder(bus, letter.subscription, letter.offset)
        if found.forward == letter.forward and holder in (None, session.id):
            tables.put_off(bus, evolve(letter, forward=entry.forward))
    elif tables.is_stuck(letter.subscription, letter.offset):
        tables.put_off(bus, evolve(letter, forward=None))
    else:
        tables.drop_dead_letter(bus, letter.subscription, letter.offset)


def _bury(tables: Tables, bus: str, letter: DeadLetter, key: int | None, born: int) -> None:
    tables.put_dead_letter(bus, letter, born)
    if key is None:
        tables.drop_waiting(letter.subscription, letter.offset)
        return
    stuck = Waiting(
        letter.subscription, letter.offset, STUCK, letter.attempts, reason=letter.reason, event=letter.event, key=key
    )
    tables.put_waiting(stuck, None)
