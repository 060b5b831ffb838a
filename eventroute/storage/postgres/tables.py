"""The log and the ledger on one connection to PostgreSQL.

A change locks all that it may touch at its beginning, in an order that is the same for all; what it is most often
decided by is read together with that, and what it writes is sent together with its commit. So a change waits twice for
the server, however many calls share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define, field

from eventroute.storage.base import Bounds, Claim, Reader
from eventroute.storage.calls import Scope
from eventroute.storage.postgres.buses import LOG, bus_log
from eventroute.storage.postgres.log import PostgresLog
from eventroute.storage.postgres.outbox import PostgresTimers
from eventroute.storage.postgres.prepared import Prepared
from eventroute.storage.postgres.server import Link
from eventroute.storage.sql.buses import BusLog
from eventroute.storage.sql.ledger import SqlLedger
from eventroute.storage.sql.letters import SqlLetters
from eventroute.storage.sql.tracing import SqlTracing
from eventroute.storage.sql.transfer import SqlTransfer

__all__ = ["TIMELINE", "MovedElsewhere", "PostgresTables"]

# Settings hold for the transaction alone, since a pooler may give the next one another session. Whoever stops in the
# middle of a change is not waited for. The subselects come after them, and so wait no longer than they say.
_SETTINGS = (
    "set_config('lock_timeout', ?1, true), set_config('idle_in_transaction_session_timeout', ?1, true),"
    " set_config('synchronous_commit', CASE WHEN ?2 THEN current_setting('synchronous_commit') ELSE 'off' END, true)"
)
TIMELINE = "left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)"
"""Another one after each failover, from where on ids of transactions may be given a second time."""

_LOCK = (
    "WITH ledger AS (SELECT name, version FROM bus"  # noqa: S608 - all from here
    "  WHERE (name = ANY(?3) OR name IN (SELECT bus FROM subscription WHERE id = ANY(?4))) AND NOT going"
    "  ORDER BY number FOR UPDATE)"
    f" SELECT {_SETTINGS}, {TIMELINE} || '/' || pg_current_xact_id(), extract(epoch FROM clock_timestamp())::float8,"
    " (SELECT array_agg(name) FROM ledger), (SELECT array_agg(version) FROM ledger)"
)
_PATH = "SELECT set_config('search_path', quote_ident(?), true)"
_BUSES = 'SELECT "offset" FROM deleted FOR UPDATE'
_LOGS = f"{LOG} WHERE bus.name = ANY(?) AND NOT bus.going ORDER BY log.bus FOR UPDATE OF log"
_TAKEN = 'SELECT reader, start, "end", version FROM claim WHERE bus = ? AND session = ? AND token = ?'
_LET_GO = "UPDATE waiting SET session = NULL WHERE subscription = ? AND session = ? AND token = ?"
_TELL = "SELECT pg_notify(?, bus) FROM unnest(?::text[]) AS bus WHERE octet_length(bus) < 8000"
_SESSION = "SELECT id FROM session WHERE id = ANY(?) ORDER BY id FOR KEY SHARE"

# What changes are mostly decided by, in one statement: sessions, logs, and some readers with their claims.
_AHEAD = (
    "SELECT 's', id, '', lapses, 0, 0, 0, 0, '' FROM session"
    " UNION ALL SELECT 'b', name, '', 0, log.first, log.\"end\", 0, 0, ''"
    " FROM bus JOIN log ON log.bus = bus.number WHERE name = ANY(?1) AND NOT going"
    " UNION ALL SELECT 'r', this.bus, this.name, 0, position, claimed, until, replayed_from, subscription"
    " FROM reader AS this JOIN unnest(?2::text[], ?3::text[]) AS wanted (bus, name)"
    "  ON wanted.bus = this.bus AND wanted.name = this.name"
    " UNION ALL SELECT 'c', this.bus, this.reader, 0, start, \"end\", version, 0, session"
    " FROM claim AS this JOIN unnest(?2::text[], ?3::text[]) AS wanted (bus, name)"
    "  ON wanted.bus = this.bus AND wanted.name = this.reader"
)
_LAPSED = (
    "DELETE FROM session WHERE id IN"
    " (SELECT id FROM session WHERE lapses <= ? AND id <> ? ORDER BY id FOR UPDATE SKIP LOCKED) RETURNING id"
)


class MovedElsewhere(Exception):
    """A subscription is on another bus than when its bus was locked: begin again."""


@define
class _Seen:
    """What a change has read at its beginning, and keeps up with what it writes."""

    now: float
    versions: dict[str, int] = field(factory=dict)
    logs: dict[str, BusLog] = field(factory=dict)
    """Those that are locked."""
    bounds: dict[str, Bounds] = field(factory=dict)
    """Of those that are not."""
    sessions: dict[str, float] = field(factory=dict)
    readers: dict[tuple[str, str], Reader | None] = field(factory=dict)
    claims: dict[tuple[str, str], dict[int, Claim]] = field(factory=dict)

    def take(self, kind: str, name: str, part: str, *values: Any) -> None:
        """A row of what was read ahead."""
        lapses, one, two, three, four, text = values
        if kind == "s":
            self.sessions[name] = lapses
        elif kind == "b":
            self.bounds[name] = Bounds(one, two)
        elif kind == "r":
            self.readers[name, part] = Reader(name, part, one, two, three, text, four)
        else:
            self.claims[name, part][one] = Claim(name, part, one, two, three, text)


class PostgresTables(SqlLedger, SqlLetters, SqlTracing, SqlTransfer, PostgresTimers, PostgresLog):
    """`Tables` on one connection. Between `begin` and `forget` it is within a change."""

    def __init__(self, link: Link, where: str) -> None:
        PostgresLog.__init__(self, link, where)
        self.transaction = ""
        """The server's timeline and the id of the transaction, by which one learns how it ended."""
        self._seen_now: _Seen | None = None

    # -- a change --------------------------------------------------------------------------------------------------

    def begin(self, scopes: Sequence[Scope], *, patience: float, durable: bool, schema: str) -> None:
        """Begin a transaction that has locked what these calls may touch. `schema`: where its tables are, unless the
        session knows that.
        """
        self._execute("BEGIN")
        if schema:
            self._execute(_PATH, (schema,))
        named = sorted({scope.bus for scope in scopes if scope.bus and scope.ledger})
        subscriptions = sorted({scope.subscription for scope in scopes if scope.subscription})
        milliseconds = str(max(1, int(patience * 1000)))
        if any(scope.buses for scope in scopes):
            self._execute(_BUSES)
        begun = self._execute(_LOCK, (milliseconds, durable, named, subscriptions))
        logged = sorted({scope.bus for scope in scopes if scope.log})
        logs = self._execute(_LOGS, (logged,)) if logged else ()
        mine = sorted({scope.session for scope in scopes if scope.session and not scope.bus})
        if mine:
            self._execute(_SESSION, (mine,))
        wanted = sorted({(scope.bus, reader) for scope in scopes for reader in scope.readers})
        ahead = self._execute(
            _AHEAD, (sorted(set(named) - set(logged)), [bus for bus, _ in wanted], [name for _, name in wanted])
        )
        *_, self.transaction, now, buses, versions = begun.fetchone()
        seen = _Seen(now, dict(zip(buses or (), versions or (), strict=True)))
        seen.logs.update((row[0], bus_log(row)) for row in logs)
        seen.readers.update(dict.fromkeys(wanted))
        seen.claims.update({key: {} for key in wanted})
        for row in ahead:
            seen.take(*row)
        self._seen_now = seen

    def forget(self) -> None:
        """The change is over."""
        super().forget()
        self._seen_now = None

    def end(self) -> None:
        """The change was made: what was read for it may be out of date from now on."""
        self._seen_now = None

    @property
    def now(self) -> float:
        """The server's time when the change began, or, outside of one, now."""
        if self._seen_now is not None:
            return self._seen_now.now
        return float(self._row("SELECT extract(epoch FROM clock_timestamp())::float8")[0])

    def ask(self, prepared: Prepared, arguments: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement outside a change. Raises psycopg.Error."""
        return self._prepared.rows(prepared, arguments)

    def claims_by_token(self, bus: str, session: str, token: int) -> list[Claim]:
        """What a shortcut has claimed by a call with that token; at most one."""
        rows = self._all(_TAKEN, (bus, session, token))
        return [Claim(bus, reader, start, end, version, session) for reader, start, end, version in rows]

    def let_go_by_token(self, subscription: str, session: str, token: int) -> None:
        """Free the waiting deliveries that a shortcut has taken by a call with that token."""
        self._do(_LET_GO, (subscription, session, token))

    def tell(self, channel: str, buses: list[str]) -> None:
        """Notify who listens."""
        self._all(_TELL, (channel, buses))

    # -- what is read ahead ----------------------------------------------------------------------------------------

    def version(self, bus: str) -> int:
        """The bus's version."""
        seen = self._seen_now
        return super().version(bus) if seen is None or bus not in seen.versions else seen.versions[bus]

    def raise_version(self, bus: str) -> int:
        """Count it up."""
        seen = self._seen_now
        if seen is not None and bus not in seen.versions:
            raise MovedElsewhere
        version = super().raise_version(bus)
        if seen is not None:
            seen.versions[bus] = version
        return version

    def bounds(self, bus: str) -> Bounds:
        """What is readable."""
        known = None if self._seen_now is None else self._seen_now.bounds.get(bus)
        if known is not None:
            return known
        log = self._log(bus)
        return Bounds(log.first, log.end)

    def _log(self, bus: str) -> BusLog:
        seen = self._seen_now
        return super()._log(bus) if seen is None or bus not in seen.logs else seen.logs[bus]

    def has_session(self, session: str) -> bool:
        """Whether it is there."""
        seen = self._seen_now
        return super().has_session(session) if seen is None else session in seen.sessions

    def put_session(self, session: str, lapses: float) -> None:
        """Insert or overwrite."""
        super().put_session(session, lapses)
        if self._seen_now is not None:
            self._seen_now.sessions[session] = lapses

    def drop_session(self, session: str) -> None:
        """Remove."""
        super().drop_session(session)
        if self._seen_now is not None:
            self._seen_now.sessions.pop(session, None)

    def drop_lapsed(self, now: float, *, keep: str = "") -> None:
        """Remove the lapsed ones, but for those that are in use at this moment."""
        sessions = {} if self._seen_now is None else self._seen_now.sessions
        if any(lapses <= now and session != keep for session, lapses in sessions.items()):
            self.written += 1
            for (session,) in self._all(_LAPSED, (now, keep)):
                sessions.pop(session, None)

    def reader(self, bus: str, name: str) -> Reader | None:
        """One reader."""
        seen = self._seen_now
        if seen is None or (bus, name) not in seen.readers:
            return super().reader(bus, name)
        return seen.readers[bus, name]

    def put_reader(self, reader: Reader) -> None:
        """Insert or overwrite."""
        super().put_reader(reader)
        if self._seen_now is not None:
            self._seen_now.readers[reader.bus, reader.name] = reader

    def drop_reader(self, reader: Reader) -> None:
        """Remove."""
        super().drop_reader(reader)
        if self._seen_now is not None:
            self._seen_now.readers[reader.bus, reader.name] = None
            self._seen_now.claims[reader.bus, reader.name] = {}

    def claim_at(self, bus: str, reader: str, start: int) -> Claim | None:
        """The claim that starts there."""
        claims = self._claims(bus, reader)
        return super().claim_at(bus, reader, start) if claims is None else claims.get(start)

    def free_claim(self, bus: str, reader: str) -> Claim | None:
        """The first whose session is gone."""
        seen, claims = self._seen_now, self._claims(bus, reader)
        if seen is None or claims is None:
            return super().free_claim(bus, reader)
        free = [start for start, claim in claims.items() if claim.session not in seen.sessions]
        return claims[min(free)] if free else None

    def first_claim(self, bus: str, reader: str) -> int | None:
        """Where the first starts."""
        claims = self._claims(bus, reader)
        return super().first_claim(bus, reader) if claims is None else min(claims, default=None)

    def claimed_by_others(self, bus: str, reader: str, session: str) -> bool:
        """Whether others have claims."""
        seen, claims = self._seen_now, self._claims(bus, reader)
        if seen is None or claims is None:
            return super().claimed_by_others(bus, reader, session)
        return any(claim.session != session and claim.session in seen.sessions for claim in claims.values())

    def put_claim(self, claim: Claim) -> None:
        """Insert or overwrite."""
        super().put_claim(claim)
        claims = self._claims(claim.bus, claim.reader)
        if claims is not None:
            claims[claim.start] = claim

    def drop_claim(self, claim: Claim) -> None:
        """Remove."""
        super().drop_claim(claim)
        claims = self._claims(claim.bus, claim.reader)
        if claims is not None:
            claims.pop(claim.start, None)

    def _claims(self, bus: str, reader: str) -> dict[int, Claim] | None:
        return None if self._seen_now is None else self._seen_now.claims.get((bus, reader))

    # -- many rows in one statement --------------------------------------------------------------------------------

    def hold_waiting(self, waiting: Iterable[Any], session: str) -> None:
        """Let the session hold them."""
        keys = [(one.subscription, one.offset) for one in waiting]
        if keys:
            subscriptions, offsets = map(list, zip(*keys, strict=True))
            self._do(_HOLD, (session, subscriptions, offsets))


_HOLD = (
    "UPDATE waiting SET session = ?1 FROM unnest(?2::text[], ?3::bigint[]) AS taken (subscription, place)"
    ' WHERE waiting.subscription = taken.subscription AND waiting."offset" = taken.place'
)
