"""A thread that learns what other processes have written: by being told, and by looking."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

import psycopg
from psycopg import sql

from eventroute.storage.postgres.server import Link, Server, wait_readable
from eventroute.storage.postgres.silence import Wire
from eventroute.storage.threads import Head, Waiter, Watchers, new_waiter, wake

__all__ = ["ListenThread"]

_LOOK_WHEN_TOLD = 1.0
"""How often to look, in seconds, while one is told: for what a process that died had no time to tell."""

_RETRY = 0.5  # seconds between two tries to reach the server

_HEADS = (
    'SELECT bus.name, log."end", bus.version FROM {schema}.bus JOIN {schema}.log ON log.bus = bus.number'
    " WHERE bus.name = ANY($1) AND NOT bus.going"
)


class ListenThread:
    """Owns a connection that listens, and that looks how far the buses have got which somebody watches.

    It looks every `poll_interval` seconds until it was told something, which proves that telling works: behind a pooler
    that gives each transaction another session, it does not. From then on it looks seldom, until it finds what it was
    not told. `own` gives the server's processes that belong to this storage's own connections: what those tell is
    known already.
    """

    def __init__(
        self, server: Server, watchers: Watchers, *, poll_interval: float, own: Callable[[], Collection[int]]
    ) -> None:
        self._server = server
        self._watchers = watchers
        self._poll_interval = poll_interval
        self._own = own
        self.wire = Wire()
        self._link: Link | None = None
        self._told = False
        self._looked = 0.0
        self._parked = False
        self._stopped = False
        self._stopper: Waiter | None = None
        self._lock = threading.Lock()
        self._started = False
        self._bell, self._ears = socket.socketpair()
        self._bell.setblocking(False)
        self._ears.setblocking(False)
        self._thread = threading.Thread(target=self._main, name="eventroute-postgres-listener", daemon=True)

    # -- called from tasks -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, where it is not running yet."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    def look_out(self) -> None:
        """Somebody has begun to watch."""
        if self._parked:
            self._ring()

    async def stop(self) -> None:
        """End the thread, and wait for that. Only once."""
        stopper = new_waiter()
        with self._lock:
            if not self._started:
                self._close()
                return
            self._stopper = stopper
            self._stopped = True
            self._ring()
        await stopper.wait()

    def _ring(self) -> None:
        with suppress(OSError):  # it rings already, or the thread has ended
            self._bell.send(b"!")

    def _close(self) -> None:
        self._bell.close()
        self._ears.close()

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            while not self._stopped:
                try:
                    self._round()
                except psycopg.Error:
                    self._lose()
        finally:
            if self._link is not None:
                self._link.close()
            self.wire.part()
            self._close()
            if self._stopper is not None:
                wake([self._stopper])

    def _round(self) -> None:
        """Connect, wait, and tell those who watch."""
        if self._link is None:
            self._link = self._connect()
        self.wire.began = None
        self._parked = True  # said before the look at who watches, so that nobody slips in between
        watched = self._watchers.buses()
        wait_readable([self._link, self._ears], self._patience() if watched else None)
        self._parked = False
        self.wire.began = time.monotonic()
        self._hear()
        while heard := self._listen(self._link):
            self._look(heard)
        if watched and time.monotonic() - self._looked >= self._patience():
            self._look_at_all()

    def _connect(self) -> Link:
        self.wire.began = time.monotonic()
        link = self._server.connect(self.wire)
        if not self._server.pooled:
            link.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._server.schema)))
        return link

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            self._ears.recv(4096)

    def _patience(self) -> float:
        return _LOOK_WHEN_TOLD if self._told else self._poll_interval

    def _listen(self, link: Link) -> list[str]:
        """The buses of which others have told something."""
        heard: dict[str, None] = {}
        own = {*self._own()}
        for notify in link.notifies(timeout=0):
            self._told = self._told or notify.pid != link.info.backend_pid
            if notify.pid not in own and self._watchers.know(notify.payload):
                heard[notify.payload] = None
        return list(heard)

    def _look_at_all(self) -> None:
        """Look at the buses that are watched; what is new was not told."""
        self._looked = time.monotonic()
        if self._look(list(self._watchers.buses())):
            self._told = False

    def _look(self, buses: list[str]) -> bool:
        """Look how far buses have got; whether that was news to anybody who watches."""
        if self._link is None:
            return False
        statement = sql.SQL(_HEADS).format(schema=sql.Identifier(self._server.schema))
        rows = self._link.execute(statement, (buses,)).fetchall()
        for gone in {*buses} - {bus for bus, _, _ in rows}:
            self._watchers.forget(gone)  # another process has deleted it
        return self._watchers.advance({bus: Head(end, version) for bus, end, version in rows})

    def _lose(self) -> None:
        """The server is away: those who watch learn it by their next call."""
        if self._link is not None:
            with suppress(psycopg.Error):
                self._link.close()
            self._link = None
        self.wire.began = None
        self.wire.part()
        self._told = False
        self._watchers.stir()
        if not self._stopped:
            wait_readable([self._ears], _RETRY)
