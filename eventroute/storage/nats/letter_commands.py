"""Commands that change dead letters."""

from __future__ import annotations

from eventroute.storage import ledger
from eventroute.storage.base import (
    DeadLetter,
    Dropped,
    Session,
)
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.tables import StreamTables

__all__ = [
    "DropLetters",
    "Purge",
    "Redrive",
    "ReleaseLetters",
    "TakeLetters",
]


class Redrive(Command, tag=26):
    """See `Storage.redrive`."""

    bus: str
    letters: list[tuple[str, int]]
    due: float
    removed: bool

    def apply(self, tables: StreamTables, now: float) -> int:
        del now
        return ledger.redrive(tables, self.bus, self.letters, self.due, self.removed)


class Purge(Command, tag=27):
    """See `Storage.purge`."""

    bus: str
    letters: list[tuple[str, int]]

    def apply(self, tables: StreamTables, now: float) -> int:
        del now
        return ledger.purge(tables, self.bus, self.letters)


class DropLetters(Command, tag=28):
    """See `Storage.drop_dead_letters`."""

    bus: str
    before: float
    keep: int | None
    limit: int

    def apply(self, tables: StreamTables, now: float) -> tuple[Dropped, ...]:
        return ledger.drop_letters(tables, self.bus, self.before, self.keep, self.limit, now)


class TakeLetters(Command, tag=29):
    """See `Storage.claim_letters`; `due` is the caller's time."""

    bus: str
    subscription: str
    session: Session
    due: float
    limit: int

    def apply(self, tables: StreamTables, now: float) -> list[DeadLetter]:
        return ledger.claim_letters(tables, self.bus, self.subscription, self.session, self.due, self.limit, now)

    def undo(self, result: list[DeadLetter]) -> Command | None:
        keys = [(one.subscription, one.offset) for one in result]
        return ReleaseLetters(self.bus, self.session, keys) if keys else None


class ReleaseLetters(Command, tag=30):
    """Give dead letters back."""

    bus: str
    session: Session
    keys: list[tuple[str, int]]

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        letters = [DeadLetter(subscription, offset, 0.0, "", "", 0, b"") for subscription, offset in self.keys]
        ledger.release_letters(tables, self.bus, letters, self.session)
