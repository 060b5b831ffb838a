"""Commands that change a subscription: which there are, and which reader serves them."""

from __future__ import annotations

from typing import cast

from eventroute.storage import placement, transferring
from eventroute.storage.base import (
    Reader,
    Start,
    StoredSubscription,
)
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.transfer import Placed

__all__ = [
    "CancelReplay",
    "JoinLive",
    "LeaveLive",
    "Pause",
    "PlaceSubscription",
    "PutSubscription",
    "RemoveSubscription",
    "Resume",
    "StartReplay",
]


class PutSubscription(Command, tag=11):
    """See `Storage.put_subscription`."""

    bus: str
    subscription: str
    definition: bytes
    start: int | float | str
    apart: bool

    def apply(self, tables: StreamTables, now: float) -> StoredSubscription:
        del now
        start = cast(Start, self.start)
        return placement.put(tables, self.bus, self.subscription, self.definition, start, apart=self.apart)


class RemoveSubscription(Command, tag=12):
    """See `Storage.remove_subscription`."""

    subscription: str

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        placement.remove(tables, self.subscription)


class Pause(Command, tag=13):
    """See `Storage.pause_subscription`."""

    subscription: str
    reason: str
    known: tuple[str, int] | None = None

    def apply(self, tables: StreamTables, now: float) -> None:
        placement.pause(tables, self.subscription, self.reason, now, self.known)


class Resume(Command, tag=14):
    """See `Storage.resume_subscription`."""

    subscription: str

    def apply(self, tables: StreamTables, now: float) -> None:
        placement.resume(tables, self.subscription, now)


class LeaveLive(Command, tag=15):
    """See `Storage.leave_live`."""

    subscription: str

    def apply(self, tables: StreamTables, now: float) -> None:
        del now
        placement.leave_live(tables, self.subscription)


class JoinLive(Command, tag=16):
    """See `Storage.join_live`."""

    subscription: str
    within: int

    def apply(self, tables: StreamTables, now: float) -> bool:
        del now
        return placement.join_live(tables, self.subscription, self.within)


class StartReplay(Command, tag=17):
    """See `Storage.start_replay`."""

    subscription: str
    start: int | float | str
    end: int | float | None

    def apply(self, tables: StreamTables, now: float) -> Reader:
        del now
        return placement.start_replay(tables, self.subscription, cast(Start, self.start), self.end)


class CancelReplay(Command, tag=18):
    """See `Storage.cancel_replay`."""

    subscription: str
    reader: str

    def apply(self, tables: StreamTables, now: float) -> bool:
        del now
        return placement.cancel_replay(tables, self.subscription, self.reader)


class PlaceSubscription(Command, tag=32):
    """See `Storage.place_subscription`."""

    bus: str
    placed: Placed

    def apply(self, tables: StreamTables, now: float) -> StoredSubscription:
        del now
        return transferring.place(tables, self.bus, self.placed)
