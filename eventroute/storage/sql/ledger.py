"""The ledger in SQL, step by step inside a transaction of its owner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

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
from eventroute.storage.sql.statements import Statements
from eventroute.storage.tables import LONGEST_LEASE, REMOVED_KEPT, Need

__all__ = ["FREE", "IN_TURN", "SqlLedger"]

_SUBSCRIPTION = "SELECT id, bus, definition, revision, paused, reader, paused_at, 0, apart, born FROM subscription"
_SPAN = "SELECT span.reader, span.subscription, span.start, span.until, span.definition FROM span"
_READER = "SELECT bus, name, position, claimed, until, subscription, replayed_from FROM reader"
_CLAIM = 'SELECT bus, reader, start, "end", version, session FROM claim'
_WAITING = 'SELECT subscription, "offset", due, attempts, first_attempt, reason, event, key FROM waiting'
_LIVING = "SELECT id FROM session"
_FROM = "CASE WHEN span.start > reader.position THEN span.start ELSE reader.position END"
_NEEDS = (
    f"SELECT span.subscription, {_FROM} AS start, span.until"  # noqa: S608 - all from here
    " FROM subscription"
    " JOIN span ON span.subscription = subscription.id"
    " JOIN reader ON reader.bus = subscription.bus AND reader.name = span.reader"
    " WHERE subscription.bus = ?1 AND span.start < ?2 AND reader.position < ?2"
    " AND (span.until IS NULL OR span.until > reader.position)"
)
_FIRST_NEED = f"SELECT start, subscription FROM ({_NEEDS}) AS need ORDER BY 1, 2 LIMIT 1"  # noqa: S608 - all from here
# From one subscription of which something waits to the next: there may be many of which nothing does.
_UNSETTLED = (
    "WITH RECURSIVE waits(name) AS (SELECT min(subscription) FROM waiting UNION ALL"
    " SELECT (SELECT min(subscription) FROM waiting WHERE subscription > name) FROM waits WHERE name IS NOT NULL)"
    " SELECT start, id FROM ("
    'SELECT (SELECT min("offset") FROM waiting WHERE subscription = id AND event IS NULL) AS start, id'
    " FROM waits JOIN subscription ON id = name WHERE bus = ?) AS need"
    " WHERE start IS NOT NULL ORDER BY 1, 2 LIMIT 1"
)
_MAY_END = f'subscription = ? AND "offset" = ? AND (session IS NULL OR session = ? OR session NOT IN ({_LIVING}))'
_PUT_WAITING = (
    'INSERT INTO waiting (subscription, "offset", due, attempts, first_attempt, reason, event, key, session)'
    ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (subscription, "offset") DO UPDATE SET due = excluded.due,'
    " attempts = excluded.attempts, first_attempt = excluded.first_attempt, reason = excluded.reason,"
    " event = coalesce(excluded.event, waiting.event), key = excluded.key, session = excluded.session"
)
_PUT_AGAIN = (
    "UPDATE waiting SET due = ?, attempts = ?, first_attempt = ?, reason = ?, event = coalesce(?, event),"  # noqa: S608 - all from here
    f" key = ?, session = ? WHERE {_MAY_END} AND attempts <= ?"
)
FREE = (
    f"{_WAITING} WHERE subscription = ?1 AND due <= ?2 AND (session IS NULL OR session NOT IN ({_LIVING}))"
    ' ORDER BY due, "offset" LIMIT ?3'
)
# Row by row in their order: the sum keeps out the index by due times, from which all would have to be sorted. Of the
# rows before one of the same key only the first that is in its way is looked for, which is seldom far.
IN_TURN = (
    f"{_WAITING} AS this WHERE subscription = ?1 AND due + 0 <= ?2 AND (session IS NULL OR session NOT IN ({_LIVING}))"  # noqa: S608 - all from here
    " AND (key IS NULL OR NOT EXISTS (SELECT 1 FROM waiting AS one"
    '  WHERE one.subscription = this.subscription AND one.key = this.key AND one."offset" < this."offset"'
    f"  AND (one.attempts > 0 OR one.due > ?2 OR (one.session <> ?3 AND one.session IN ({_LIVING})))))"
    ' ORDER BY "offset" LIMIT ?4'
)
# "free" is worked out row by row: a session that has lapsed may still be in its table.
_SUMMARY = (
    "SELECT subscription, count(*), count(CASE WHEN free THEN 1 END),"
    ' min(CASE WHEN free AND due < ?4 AND coalesce(first, "offset") = "offset" THEN due END),'
    " count(CASE WHEN due = ?4 OR (first IS NOT NULL AND ?4 = (SELECT one.due FROM waiting AS one"
    '  WHERE one.subscription = this.subscription AND one."offset" = first)) THEN 1 END)'
    ' FROM (SELECT subscription, due, "offset",'
    "  session IS NULL OR session NOT IN (SELECT id FROM session WHERE lapses > ?1) AS free,"
    '  CASE WHEN key IS NOT NULL THEN (SELECT min(one."offset") FROM waiting AS one'
    "   WHERE one.subscription = waiting.subscription AND one.key = waiting.key) END AS first"
    "  FROM waiting CROSS JOIN subscription AS owner WHERE owner.id = subscription AND owner.bus = ?2"  # in this order
    '  AND (CAST(?3 AS BIGINT) IS NULL OR "offset" < ?3)'
    " ) AS this GROUP BY subscription ORDER BY subscription"
)


class SqlLedger(Statements):
    """Subscriptions, readers, claims, sessions and waiting deliveries."""

    _in_turn = IN_TURN

    # -- subscriptions ---------------------------------------------------------------------------------------------

    def subscription(self, subscription: str) -> StoredSubscription | None:
        """One subscription."""
        row = self._one(f"{_SUBSCRIPTION} WHERE id = ?", (subscription,))
        return None if row is None else StoredSubscription(*row)

    def changed_at(self, stored: StoredSubscription) -> int:
        """The version."""
        row = self._one("SELECT version FROM subscription WHERE id = ?", (stored.id,))
        return 0 if row is None else int(row[0])

    def put_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Insert or overwrite."""
        self._do("DELETE FROM removed WHERE bus = ? AND id = ?", (stored.bus, stored.id))
        self._put(
            "subscription",
            "id",
            "id, bus, definition, revision, paused, reader, paused_at, apart, born, version",
            (*attrs.astuple(stored)[:7], int(stored.apart), stored.born, version),
        )

    def drop_subscription(self, stored: StoredSubscription, version: int) -> None:
        """Remove, and remember that it was there."""
        self._do("DELETE FROM subscription WHERE id = ?", (stored.id,))
        for table in ("span", "waiting", "lost", "breaker", "sender"):
            self._do(f"DELETE FROM {table} WHERE subscription = ?", (stored.id,))  # noqa: S608 - names from here
        self._do("INSERT INTO removed (bus, id, version) VALUES (?, ?, ?)", (stored.bus, stored.id, version))
        (count,) = self._row("SELECT count(*) FROM removed WHERE bus = ?", (stored.bus,))
        if count > REMOVED_KEPT:
            self._do("DELETE FROM removed WHERE bus = ?", (stored.bus,))
            self._do("UPDATE bus SET horizon = ? WHERE name = ?", (version, stored.bus))

    def spans(self, subscription: str) -> list[Span]:
        """Its spans."""
        return [Span(*row) for row in self._all(f"{_SPAN} WHERE subscription = ?", (subscription,))]

    def put_spans(self, subscription: str, spans: Sequence[Span]) -> None:
        """Replace its spans."""
        self._do("DELETE FROM span WHERE subscription = ?", (subscription,))
        for span in spans:
            self._do(
                "INSERT INTO span (subscription, reader, start, until, definition) VALUES (?, ?, ?, ?, ?)",
                (subscription, span.reader, span.start, span.until, span.definition),
            )

    def changes(self, bus: str, after: int) -> Changes:
        """What has changed."""
        version, horizon = self._known("SELECT version, horizon FROM bus WHERE name = ?", bus)
        reset = after <= 0 or after < horizon or after > version
        since = (bus, 0 if reset else after)
        rows = self._all(f"{_SUBSCRIPTION} WHERE bus = ? AND version > ?", since)
        spans = self._all(
            f"{_SPAN} JOIN subscription ON subscription.id = span.subscription"
            " WHERE subscription.bus = ? AND subscription.version > ?",
            since,
        )
        stored = [StoredSubscription(*row) for row in rows]
        if not reset:
            gone = self._all("SELECT id FROM removed WHERE bus = ? AND version > ?", since)
            stored += [StoredSubscription(name, bus, b"", 0, None, LIVE, removed=True) for (name,) in gone]
        return Changes(version, reset, tuple(stored), tuple(Span(*row) for row in spans))

    # -- readers and claims ----------------------------------------------------------------------------------------

    def readers(self, bus: str) -> tuple[Reader, ...]:
        """The live one, then the others by name."""
        self.version(bus)
        rows = self._all(f"{_READER} WHERE bus = ? ORDER BY name <> ?, name", (bus, LIVE))
        return tuple(Reader(*row) for row in rows)

    def readers_of(self, subscription: str) -> list[Reader]:
        """Its own readers."""
        return [Reader(*row) for row in self._all(f"{_READER} WHERE subscription = ?", (subscription,))]

    def reader(self, bus: str, name: str) -> Reader | None:
        """One reader."""
        row = self._one(f"{_READER} WHERE bus = ? AND name = ?", (bus, name))
        return None if row is None else Reader(*row)

    def put_reader(self, reader: Reader) -> None:
        """Insert or overwrite."""
        self._put(
            "reader",
            "bus, name",
            "bus, name, position, claimed, until, subscription, replayed_from",
            attrs.astuple(reader),
        )

    def drop_reader(self, reader: Reader) -> None:
        """Remove."""
        self._do("DELETE FROM reader WHERE bus = ? AND name = ?", (reader.bus, reader.name))
        self._do("DELETE FROM claim WHERE bus = ? AND reader = ?", (reader.bus, reader.name))
        self._do("DELETE FROM sharing WHERE bus = ? AND reader = ?", (reader.bus, reader.name))

    def claim_at(self, bus: str, reader: str, start: int) -> Claim | None:
        """The claim that starts there."""
        row = self._one(f"{_CLAIM} WHERE bus = ? AND reader = ? AND start = ?", (bus, reader, start))
        return None if row is None else Claim(*row)

    def free_claim(self, bus: str, reader: str) -> Claim | None:
        """The first whose session is gone."""
        row = self._one(
            f"{_CLAIM} WHERE bus = ? AND reader = ? AND session NOT IN ({_LIVING}) ORDER BY start LIMIT 1",
            (bus, reader),
        )
        return None if row is None else Claim(*row)

    def first_claim(self, bus: str, reader: str) -> int | None:
        """Where the first starts."""
        (start,) = self._row("SELECT min(start) FROM claim WHERE bus = ? AND reader = ?", (bus, reader))
        return None if start is None else int(start)

    def claimed_by_others(self, bus: str, reader: str, session: str) -> bool:
        """Whether others have claims."""
        found = self._one(
            "SELECT 1 FROM claim JOIN session ON session.id = claim.session"
            " WHERE claim.bus = ? AND claim.reader = ? AND claim.session <> ? LIMIT 1",
            (bus, reader, session),
        )
        return found is not None

    def share(self, bus: str, reader: str, session: str) -> bool:
        """Share a reader."""
        rows = self._all(
            "SELECT sharing.session, session.id FROM sharing LEFT JOIN session ON session.id = sharing.session"
            " WHERE sharing.bus = ? AND sharing.reader = ?",
            (bus, reader),
        )
        for gone, _ in (row for row in rows if row[1] is None):
            self._do("DELETE FROM sharing WHERE bus = ? AND reader = ? AND session = ?", (bus, reader, gone))
        there = {name for _, name in rows if name is not None}
        if session not in there:
            self._do("INSERT INTO sharing (bus, reader, session) VALUES (?, ?, ?)", (bus, reader, session))
        return bool(there - {session})

    def put_claim(self, claim: Claim) -> None:
        """Insert or overwrite."""
        self._put(
            "claim",
            "bus, reader, start",
            'bus, reader, start, "end", version, session',
            (claim.bus, claim.reader, claim.start, claim.end, claim.version, claim.session),
        )

    def drop_claim(self, claim: Claim) -> None:
        """Remove."""
        key = (claim.bus, claim.reader, claim.start)
        self._do("DELETE FROM claim WHERE bus = ? AND reader = ? AND start = ?", key)

    # -- what the log is needed for --------------------------------------------------------------------------------

    def first_need(self, bus: str) -> tuple[int, str] | None:
        """The first that has yet to be settled."""
        end = self.bounds(bus).end
        behind = self._one("SELECT 1 FROM reader WHERE bus = ? AND position < ? LIMIT 1", (bus, end))
        unread = [] if behind is None else self._all(_FIRST_NEED, (bus, end))
        unsettled = self._all(_UNSETTLED, (bus,))
        return min((*unread, *unsettled), default=None)

    def needs(self, bus: str, before: int) -> list[Need]:
        """What has yet to be read."""
        return [Need(*row) for row in self._all(_NEEDS, (bus, before))]

    def readers_behind(self, bus: str, offset: int) -> list[Reader]:
        """Those below."""
        return [Reader(*row) for row in self._all(f"{_READER} WHERE bus = ? AND position < ?", (bus, offset))]

    # -- sessions --------------------------------------------------------------------------------------------------

    def has_session(self, session: str) -> bool:
        """Whether it is there."""
        return self._one("SELECT 1 FROM session WHERE id = ?", (session,)) is not None

    def put_session(self, session: str, lapses: float) -> None:
        """Insert or overwrite."""
        self._put("session", "id", "id, lapses", (session, lapses))

    def last_write(self, session: str) -> int:
        """The number of its last write."""
        row = self._one("SELECT written FROM session WHERE id = ?", (session,))
        return 0 if row is None else int(row[0])

    def put_last_write(self, session: str, number: int) -> None:
        """Overwrite."""
        self._do("UPDATE session SET written = ? WHERE id = ?", (number, session))

    def drop_session(self, session: str) -> None:
        """Remove."""
        self._do("DELETE FROM session WHERE id = ?", (session,))

    def drop_lapsed(self, now: float, *, keep: str = "") -> None:
        """Remove the lapsed ones, and those of a clock that was ahead, who might hold what they have for years."""
        self._do("DELETE FROM session WHERE (lapses <= ? OR lapses > ?) AND id <> ?", (now, now + LONGEST_LEASE, keep))

    # -- waiting deliveries ----------------------------------------------------------------------------------------

    def put_waiting(self, waiting: Waiting, session: str | None) -> None:
        """Insert or overwrite."""
        self._do(_PUT_WAITING, (waiting.subscription, waiting.offset, *_content(waiting, session)))

    def put_waiting_again(self, waiting: Waiting, session: str | None, by: str) -> None:
        """Overwrite."""
        which = (waiting.subscription, waiting.offset, by, waiting.attempts)
        self._do(_PUT_AGAIN, (*_content(waiting, session), *which))

    def drop_waiting(self, subscription: str, offset: int) -> None:
        """Remove."""
        self._do('DELETE FROM waiting WHERE subscription = ? AND "offset" = ?', (subscription, offset))

    def settle_waiting(self, subscription: str, offset: int, by: str) -> None:
        """Remove, where it may."""
        self._do(f"DELETE FROM waiting WHERE {_MAY_END}", (subscription, offset, by))  # noqa: S608 - all from here

    def may_end(self, subscription: str, offset: int, by: str) -> bool:
        """Whether no other holds it."""
        return self._one(f"SELECT 1 FROM waiting WHERE {_MAY_END}", (subscription, offset, by)) is not None  # noqa: S608 - all from here

    def is_stuck(self, subscription: str, offset: int) -> bool:
        """Whether it is there and stuck."""
        key = (subscription, offset, STUCK)
        return self._one('SELECT 1 FROM waiting WHERE subscription = ? AND "offset" = ? AND due = ?', key) is not None

    def sender(self, subscription: str) -> str | None:
        """Who sends for it."""
        row = self._one("SELECT session FROM sender WHERE subscription = ?", (subscription,))
        return None if row is None else row[0]

    def put_sender(self, subscription: str, session: str) -> None:
        """Insert or overwrite."""
        self._do("DELETE FROM sender WHERE subscription = ?", (subscription,))
        self._do("INSERT INTO sender (subscription, session) VALUES (?, ?)", (subscription, session))

    def senders(self, bus: str, now: float) -> dict[str, str]:
        """By subscription."""
        self.version(bus)
        rows = self._all(
            "SELECT sender.subscription, sender.session FROM sender"
            " JOIN session ON session.id = sender.session JOIN subscription ON subscription.id = sender.subscription"
            " WHERE subscription.bus = ? AND session.lapses > ?",
            (bus, now),
        )
        return {str(subscription): str(session) for subscription, session in rows}

    def drop_stuck(self, subscription: str, offset: int) -> None:
        """Remove, where it is stuck."""
        key = (subscription, offset, STUCK)
        self._do('DELETE FROM waiting WHERE subscription = ? AND "offset" = ? AND due = ?', key)

    def waiting_key(self, subscription: str, offset: int) -> int | None:
        """The key of one."""
        row = self._one('SELECT key FROM waiting WHERE subscription = ? AND "offset" = ?', (subscription, offset))
        return None if row is None else row[0]

    def waiting_keys(self, subscription: str) -> list[WaitingKey]:
        """Those with a key."""
        rows = self._all(
            'SELECT "offset", key, due = ? FROM waiting WHERE subscription = ? AND key IS NOT NULL ORDER BY "offset"',
            (STUCK, subscription),
        )
        return [WaitingKey(offset, key, bool(stuck)) for offset, key, stuck in rows]

    def has_keys(self, subscription: str) -> bool:
        """Whether any has a key."""
        found = self._one("SELECT 1 FROM waiting WHERE subscription = ? AND key IS NOT NULL LIMIT 1", (subscription,))
        return found is not None

    def free_waiting(self, subscription: str, now: float, limit: int) -> list[Waiting]:
        """Those due and free."""
        rows = self._all(FREE, (subscription, now, limit))
        return [Waiting(*row) for row in rows]

    def free_in_turn(self, subscription: str, session: str, now: float, limit: int) -> list[Waiting]:
        """Those due and free whose turn it is."""
        rows = self._all(self._in_turn, (subscription, now, session, limit))
        return [Waiting(*row) for row in rows]

    def hold_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Let the session hold them."""
        self._many(
            'UPDATE waiting SET session = ? WHERE subscription = ? AND "offset" = ?',
            [(session, item.subscription, item.offset) for item in waiting],
        )

    def let_go_waiting(self, waiting: Iterable[Waiting], session: str) -> None:
        """Free them."""
        self._many(
            'UPDATE waiting SET session = NULL WHERE subscription = ? AND "offset" = ? AND session = ?',
            [(item.subscription, item.offset, session) for item in waiting],
        )

    def rejuvenate_waiting(self, subscription: str, seconds: float) -> None:
        """Move first attempts ahead."""
        self._do("UPDATE waiting SET first_attempt = first_attempt + ? WHERE subscription = ?", (seconds, subscription))

    def waiting(self, bus: str, before: int | None, now: float) -> tuple[WaitingSummary, ...]:
        """By subscription."""
        self.version(bus)
        rows = self._all(_SUMMARY, (now, bus, before, STUCK))
        return tuple(WaitingSummary(*row) for row in rows)


def _content(waiting: Waiting, session: str | None) -> tuple[object, ...]:
    row = (waiting.due, waiting.attempts, waiting.first_attempt, waiting.reason, waiting.event, waiting.key)
    return (*row, session)
