"""Commands by which workers take work and say what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from eventroute.storage import ledger
from eventroute.storage.base import (
    Advance,
    Bury,
    Claim,
    Complete,
    Entry,
    Forwarded,
    PutOff,
    Session,
    Settle,
    Trip,
    Wait,
    Waiting,
)
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.sending import Took

__all__ = [
    "CloseSession",
    "ExtendSession",
    "LeaveSending",
    "OpenSession",
    "Release",
    "ReleaseWaiting",
    "TakeClaim",
    "TakeSending",
    "TakeWaiting",
    "Write",
]

_ENTRIES: tuple[type[Entry], ...] = (Advance, Complete, Wait, Settle, Bury, Forwarded, PutOff, Trip)
"""Their places are what is written: new ones come last."""


class OpenSession(Command, tag=8):
    """See `Storage.open_session`."""

    session: Session

    def apply(self, tables: StreamTables, now: float) -> Session:
        return ledger.open_session(tables, self.session, now)


class ExtendSession(Command, tag=9):
    """See `Storage.extend_session`."""

    session: Session

    def apply(self, tables: StreamTables, now: float) -> None:
        ledger.extend_session(tables, self.session, now)


class CloseSession(Command, tag=10):
    """See `Storage.close_session`."""

    session: Session

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        ledger.close_session(tables, self.session)


class TakeClaim(Command, tag=19):
    """See `Storage.claim`."""

    bus: str
    reader: str
    session: Session
    limit: int
    alone: bool

    def apply(self, tables: StreamTables, now: float) -> Claim | None:
        return ledger.claim(tables, self.bus, self.reader, self.session, self.limit, now, alone=self.alone)

    def undo(self, result: Claim | None) -> Command | None:
        return None if result is None else Release(result)


class Release(Command, tag=20):
    """Give a claim back."""

    claim: Claim

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        ledger.release(tables, self.claim)


class TakeWaiting(Command, tag=21):
    """See `Storage.claim_waiting`; `due` is the caller's time."""

    bus: str
    subscription: str
    session: Session
    due: float
    limit: int
    known: int | None = None

    def apply(self, tables: StreamTables, now: float) -> list[Waiting]:
        return ledger.claim_waiting(
            tables, self.bus, self.subscription, self.session, self.due, self.limit, now, self.known
        )

    def undo(self, result: list[Waiting]) -> Command | None:
        keys = [(one.subscription, one.offset) for one in result]
        return ReleaseWaiting(self.session, keys) if keys else None


class ReleaseWaiting(Command, tag=22):
    """Give waiting deliveries back."""

    session: Session
    keys: list[tuple[str, int]]

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        ledger.release_waiting(tables, [Waiting(*key, 0.0) for key in self.keys], self.session)


class Write(Command, tag=23):
    """See `Storage.write`."""

    bus: str
    session: Session
    entries: list[tuple[int, Raw]]
    known: int | None = None
    number: int | None = None

    @classmethod
    def of(
        cls, bus: str, session: Session, entries: Sequence[Entry], known: int | None = None, number: int | None = None
    ) -> Write:
        """With these entries."""
        written: Any = [(_ENTRIES.index(type(entry)), entry) for entry in entries]
        return cls(bus, session, written, known, number)

    def apply(self, tables: StreamTables, now: float) -> None:
        entries = [msgspec.msgpack.decode(raw, type=_ENTRIES[kind]) for kind, raw in self.entries]
        ledger.write(tables, self.bus, self.session, entries, now, self.known, self.number)


class TakeSending(Command, tag=24):
    """See `Storage.take_sending`."""

    bus: str
    subscription: str
    session: Session

    def apply(self, tables: StreamTables, now: float) -> Took | None:
        return ledger.take_sending(tables, self.bus, self.subscription, self.session, now)


class LeaveSending(Command, tag=25):
    """See `Storage.leave_sending`."""

    bus: str
    subscription: str
    session: Session

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        ledger.leave_sending(tables, self.bus, self.subscription, self.session)
