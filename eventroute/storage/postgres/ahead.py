"""What a claim has read of the log besides, kept until the worker asks for it."""

from __future__ import annotations

from typing import NamedTuple

from eventroute.storage.base import Claim, Record

__all__ = ["AHEAD_BYTES", "Ahead"]

AHEAD_BYTES = 1 << 20
"""The most bytes of events that are read together with a claim."""


class _Page(NamedTuple):
    start: int
    end: int
    records: list[Record]


class Ahead:
    """The events of the latest claim of each bus, at most `AHEAD_BYTES` each: who claims a range reads it next, and so
    need not wait for the server twice.

    Nothing more is read ahead of a bus until what was is taken, since there may be nobody who reads. Any read of the
    bus ends that: it lets go of what it did not ask for. Events never change, so it does not matter when they were
    read, but for those that were taken away meanwhile, which then are delivered as if they had been read before it.
    Another connection may lead to a server that never had them, behind a failover: so what the last one has read ends.
    """

    def __init__(self) -> None:
        self._pages: dict[str, _Page] = {}
        self._connection: object = None

    def turn_to(self, connection: object) -> None:
        """Claims are made over this connection now."""
        if connection is not self._connection:
            self._connection = connection
            self._pages.clear()

    def wanted(self, bus: str) -> bool:
        """Whether to read ahead."""
        return bus not in self._pages

    def put(self, claim: Claim, records: list[Record]) -> None:
        """Keep the first events of a claim."""
        if records:
            self._pages[claim.bus] = _Page(claim.start, claim.end, records)

    def take(self, bus: str, start: int, end: int, limit: int, max_bytes: int) -> list[Record] | None:
        """What `Storage.read` asks for, once; None: it is not here."""
        page = self._pages.pop(bus, None)
        if page is None or (page.start, page.end) != (start, end) or max_bytes < AHEAD_BYTES:
            return None
        return page.records[:limit]

    def forget(self, bus: str) -> None:
        """The bus is gone, or some of its events are."""
        self._pages.pop(bus, None)
