"""The storage in an SQLite file, for the processes of one host."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import anyio
import anyio.lowlevel

from eventroute.clock import Clock, SystemClock
from eventroute.errors import InvalidConfiguration
from eventroute.storage.base import Delayed
from eventroute.storage.calls import Scope, TableCalls
from eventroute.storage.jobs import AppendJob, Call, running
from eventroute.storage.sqlite_reader import ReadThread
from eventroute.storage.sqlite_schema import file_path
from eventroute.storage.sqlite_tables import SqliteTables
from eventroute.storage.sqlite_upkeep import Progress, backup_in_thread, vacuum_step
from eventroute.storage.sqlite_writer import WriteThread
from eventroute.storage.threads import Head, Watchers

__all__ = ["SQLiteStorage"]

T = TypeVar("T")

_LONG = 5_000  # microseconds: it has a transaction of its own


class SQLiteStorage(TableCalls):
    """A storage in one SQLite file (write-ahead logging), which several processes of one host may share.

    `synchronous` FULL: what was accepted is on the disk. NORMAL: it survives the end of the process, but the last
    moments before a power loss may be gone. `poll_interval` (seconds): how often the file is looked at for what
    other processes wrote, while somebody watches. `busy_timeout` (seconds): how long to wait for a process that
    holds the file. Leases run by the clock's wall time, since other processes must read it too.

    A storage that was opened before a fork is of no use in the child, which must make one of its own.
    Raises InvalidConfiguration.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        poll_interval: float = 0.05,
        busy_timeout: float = 10.0,
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise InvalidConfiguration(f"{synchronous!r} is neither FULL nor NORMAL", where="synchronous")
        for name, seconds in (("poll_interval", poll_interval), ("busy_timeout", busy_timeout)):
            if not 0.001 <= seconds <= 3_600:
                raise InvalidConfiguration(f"{seconds!r} is not 0.001 to 3600 seconds", where=name)
        self._path = file_path(path)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._synchronous = synchronous
        self._poll_interval = poll_interval
        self._busy_timeout = busy_timeout
        self._watchers = Watchers()
        self._lock = threading.Lock()
        self._opened = 0
        self._threads: tuple[WriteThread, ReadThread] | None = None
        self._process = 0

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    # -- lifecycle -------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See `Storage.open`."""
        with self._lock:
            if self._threads is None:
                self._threads = self._make_threads()
                self._process = os.getpid()
            writer, reader = self._running()
            self._opened += 1
        try:
            writer.start()
            await writer.run(Call(_nothing, durable=False))
            reader.start()
            await reader.run(Call(_nothing))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        with self._lock:
            writer, reader = self._running()
            self._opened -= 1
            if self._opened:
                return
            self._threads, watchers = None, self._watchers
        with anyio.CancelScope(shield=True):
            await reader.stop()
            watchers.stir()  # who begins to watch from now on is refused
            await writer.stop()

    def _make_threads(self) -> tuple[WriteThread, ReadThread]:
        patience = self._busy_timeout
        self._watchers = Watchers()  # the file may be another by now
        writer = WriteThread(
            self._path, self._clock, self._watchers, synchronous=self._synchronous, busy_timeout=patience
        )
        reader = ReadThread(self._path, self._watchers, busy_timeout=patience, poll_interval=self._poll_interval)
        return writer, reader

    def _running(self) -> tuple[WriteThread, ReadThread]:
        return running(self._threads, self._process)

    def _now(self, tables: SqliteTables) -> float:
        return self._clock.time()

    def _forget_watched(self, bus: str) -> None:
        self._watchers.forget(bus)

    async def _change(
        self,
        scope: Scope,
        work: Callable[[SqliteTables], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[SqliteTables], None]] | None = None,
    ) -> T:
        """Where it is does not matter: one process at a time writes to the file."""
        return await self._write(work, cost=cost, durable=durable, undo=undo)

    async def _write(
        self,
        work: Callable[[SqliteTables], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[SqliteTables], None]] | None = None,
    ) -> T:
        return await self._running()[0].run(Call(work, cost=cost, durable=durable, undo=undo))

    async def _read(self, work: Callable[[SqliteTables], T], *, snapshot: bool = False) -> T:
        return await self._running()[1].run(Call(work, cost=1_000))

    # -- the log ---------------------------------------------------------------------------------------------------

    async def append(
        self,
        bus: str,
        events: Sequence[bytes],
        *,
        append_id: str,
        acknowledged: Sequence[str] = (),
        delayed: Sequence[Delayed] = (),
        identities: Sequence[bytes] | None = None,
    ) -> tuple[int, ...]:
        """See `Storage.append`. Appends of many tasks share a commit."""
        return await self._running()[0].run(AppendJob(bus, events, append_id, acknowledged, delayed, identities))

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """See `Storage.watch`. What another process does is noticed within about `poll_interval`."""
        await anyio.lowlevel.checkpoint()
        _, reader = self._running()
        if not self._watchers.know(bus):
            self._watchers.advance({bus: await self._read(lambda tables: tables.head(bus))})
        waiter = self._watchers.add(bus, Head(end, version))
        if waiter is None:
            return
        try:
            reader.look_out()
            with self._clock.move_on_after(timeout):
                await waiter.wait()
        finally:
            self._watchers.discard(bus, waiter)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    async def backup(self, target: str | os.PathLike[str], *, progress: Progress | None = None) -> None:
        """See `backup_storage`. In a thread of its own, where `progress` is called."""
        self._running()
        await backup_in_thread(self._path, target, progress)

    async def vacuum(self) -> int:
        """Give the room that trimmed events have left back to the file system, in steps; how many bytes it was."""
        freed = 0
        while step := await self._write(lambda tables: vacuum_step(tables.connection), cost=_LONG, durable=False):
            freed += step
        return freed


def _nothing(_tables: SqliteTables) -> None:
    """For jobs that only wait for their turn."""
