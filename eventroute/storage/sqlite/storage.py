"""The storage in an SQLite file, for the processes of one host."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from eventroute.clock import Clock
from eventroute.errors import InvalidConfiguration, StorageError
from eventroute.storage import ledger
from eventroute.storage.base import Advance, Complete, Delayed, Entry, Session
from eventroute.storage.calls import Scope, TableCalls
from eventroute.storage.jobs import AppendJob, Call, PatientCall
from eventroute.storage.opening import OpenedStorage
from eventroute.storage.sqlite.check import glance
from eventroute.storage.sqlite.reader import ReadThread
from eventroute.storage.sqlite.schema import file_path
from eventroute.storage.sqlite.tables import SqliteTables
from eventroute.storage.sqlite.upkeep import Progress, backup_in_thread, vacuum_step
from eventroute.storage.sqlite.writer import WriteThread
from eventroute.storage.threads import Head, Watchers

__all__ = ["SQLiteStorage"]

T = TypeVar("T")
_Threads = tuple[WriteThread, ReadThread]

_LONG = 5_000  # microseconds: it has a transaction of its own


class SQLiteStorage(OpenedStorage[_Threads], TableCalls):
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
        super().__init__(clock)
        self._path = file_path(path)
        self._synchronous = synchronous
        self._poll_interval = poll_interval
        self._busy_timeout = busy_timeout

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    # -- lifecycle -------------------------------------------------------------------------------------------------

    def _make(self, watchers: Watchers) -> _Threads:
        patience = self._busy_timeout
        writer = WriteThread(
            self._path,
            self._clock,
            watchers,
            synchronous=self._synchronous,
            busy_timeout=patience,
            as_is=self.as_is,
        )
        reader = ReadThread(self._path, watchers, busy_timeout=patience, poll_interval=self._poll_interval)
        return writer, reader

    async def _start(self, workers: _Threads) -> None:
        writer, reader = workers
        writer.start()
        look: Callable[[SqliteTables], None] = _nothing
        try:
            await writer.run(Call(_nothing, durable=False))
        except StorageError:  # which whoever writes gets, where others may read
            if not (self.as_is and writer.locked_out):
                raise
            look = self._glance
        reader.start()
        await reader.run(Call(look))

    def _glance(self, tables: SqliteTables) -> None:
        glance(tables.connection, self._path)

    async def _stop(self, workers: _Threads, watchers: Watchers) -> None:
        writer, reader = workers
        await reader.stop()
        watchers.stir()  # who begins to watch from now on is refused
        await writer.stop()

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

    async def _head(self, bus: str) -> Head:
        return await self._read(lambda tables: tables.head(bus))

    def _look_out(self, workers: _Threads) -> None:
        workers[1].look_out()

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

    # -- the ledger ------------------------------------------------------------------------------------------------

    async def write(
        self,
        bus: str,
        session: Session,
        entries: Sequence[Entry],
        *,
        known: int | None = None,
        number: int | None = None,
    ) -> None:
        """See `Storage.write`. That a reader has got further waits a moment for what else there is to be written, since
        a commit of its own costs more than all that is in it.
        """

        def work(tables: SqliteTables) -> None:
            ledger.write(tables, bus, session, entries, self._now(tables), known, number)

        call = PatientCall if all(isinstance(entry, Advance | Complete) for entry in entries) else Call
        await self._running()[0].run(call(work, cost=100 + 20 * len(entries)))

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
