"""Opening and closing a storage whose work something else does: threads, with their connections and files."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from itertools import count
from typing import Generic, TypeVar

import anyio
import anyio.lowlevel

from eventroute.clock import Clock, SystemClock
from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.base import Storage
from eventroute.storage.threads import Head, Watchers

__all__ = ["OpenedStorage"]

W = TypeVar("W")

_forks = count(1)


class _Process:
    """This process, told from the one that it was forked from: to ask the system for its number takes longer."""

    number = 0


def _forked() -> None:
    _Process.number = next(_forks)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class OpenedStorage(Storage, Generic[W]):
    """Counts how often a storage is opened: the first opening makes what works for it, the last closing ends that. In
    between, tasks may watch how far buses have got.
    """

    as_is = False
    """Whether the storage is taken as it is: where there is none, to open it raises StorageError and makes none; where
    it can only be read, that can be done.
    """

    def __init__(self, clock: Clock | None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._watchers = Watchers()
        self._lock = threading.Lock()
        self._opened = 0
        self._workers: W | None = None
        self._process = 0

    @abstractmethod
    def _make(self, watchers: Watchers) -> W:
        """What does the storage's work, and tells those who watch; not started yet."""

    @abstractmethod
    async def _start(self, workers: W) -> None:
        """Start it where it is not, and wait until it works; by each opening. Raises StorageError."""

    @abstractmethod
    async def _stop(self, workers: W, watchers: Watchers) -> None:
        """Let it end, and wait for that; those who watch are to be stirred. Once, where no call can begin any more."""

    @abstractmethod
    async def _head(self, bus: str) -> Head:
        """How far a bus has got. Raises UnknownBus, StorageError."""

    def _look_out(self, workers: W) -> None:
        """Somebody has begun to watch."""

    async def open(self) -> None:
        """See `Storage.open`."""
        with self._lock:
            if self._workers is None:
                self._watchers = Watchers()  # what is opened may be another by now
                self._workers = self._make(self._watchers)
                self._process = _Process.number
            workers = self._running()
            self._opened += 1
        try:
            await self._start(workers)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.aclose()
            raise

    async def aclose(self) -> None:
        """See `Storage.aclose`."""
        with self._lock:
            workers = self._running()
            self._opened -= 1
            if self._opened:
                return
            self._workers, watchers = None, self._watchers
        with anyio.CancelScope(shield=True):
            await self._stop(workers, watchers)

    def _running(self) -> W:
        """What works for the storage. Raises StorageClosed, and StorageError behind a fork."""
        workers = self._workers
        if workers is None:
            raise StorageClosed("the storage is not open: use it inside `async with storage:`")
        if self._process != _Process.number:
            raise StorageError("the storage was opened before a fork: make and open one of its own in the child")
        return workers

    async def watch(self, bus: str, *, end: int, version: int, timeout: float) -> None:
        """See `Storage.watch`."""
        await anyio.lowlevel.checkpoint()
        workers = self._running()
        if not self._watchers.know(bus):
            self._watchers.advance({bus: await self._head(bus)})
        waiter = self._watchers.add(bus, Head(end, version))
        if waiter is None:
            return
        try:
            self._look_out(workers)
            with self._clock.move_on_after(timeout):
                await waiter.wait()
        finally:
            self._watchers.discard(bus, waiter)
