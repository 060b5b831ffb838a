"""A thread with an event loop of its own, which takes jobs from any thread.

nats-py knows asyncio only. So it has its loop here, and whoever asks may be on asyncio, on trio, or on any number of
loops.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.jobs import Job
from eventroute.storage.threads import Bell, Waiter, new_waiter, wake

__all__ = ["LoopThread"]

T = TypeVar("T")


class _InboxBell(Bell):
    """Rung where a job was put into the inbox."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[], None]) -> None:
        super().__init__(loop)
        self._take = take

    def _answer(self) -> None:
        self._take()


class LoopThread(ABC):
    """What it does with jobs is its subclass's."""

    def __init__(self, name: str) -> None:
        self._lock = threading.Lock()
        self._inbox: deque[Job[Any]] = deque()
        self._rung = False
        self._closed: StorageError | None = None
        self._started = False
        self._ended = False
        self._stopper: Waiter | None = None
        self._loop = asyncio.new_event_loop()
        self._inbox_bell: _InboxBell | None = None
        with suppress(OSError, NotImplementedError):
            self._inbox_bell = _InboxBell(self._loop, self._take)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    # -- called from tasks -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, where it is not running yet."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    async def run(self, job: Job[T]) -> T:
        """Have a job done and wait for it. A job that is cancelled before its turn is not done at all."""
        job.waiter = new_waiter()
        self._post(job)
        try:
            await job.waiter.wait()
        except BaseException:
            with self._lock:
                job.withdrawn = True
                if job.finished:
                    self._undo(job)
            raise
        if job.error is not None:
            raise job.error
        return job.result

    def _post(self, job: Job[Any]) -> None:
        with self._lock:
            if self._closed is not None:
                raise copy.copy(self._closed)
            self._put(job)

    def _put(self, job: Job[Any]) -> None:
        """Under the lock."""
        self._inbox.append(job)
        if not self._rung:
            self._rung = True
            if self._inbox_bell is None:
                self._loop.call_soon_threadsafe(self._take)
            else:
                self._inbox_bell.ring()

    async def stop(self) -> None:
        """Let the thread do what is asked of it and end, and wait for that. Only once."""
        stopper = new_waiter()
        with self._lock:
            if not self._started or self._ended:
                if not self._started:
                    self._inbox_bell = None
                    self._loop.close()
                return
            self._stopper = stopper
            self._closed = StorageClosed("the storage was closed")
            self._loop.call_soon_threadsafe(self._hurry)
        await stopper.wait()

    def _undo(self, job: Job[Any]) -> None:
        """Nobody will learn what the job did: queue what takes it back. Under the lock."""
        undo = job.undo() if job.error is None and hasattr(job, "result") else None
        if undo is not None and not self._ended:
            self._put(undo)

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failure = StorageError("a thread of the storage has died: this is a fault in eventroute")
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # it ends tasks that the client left behind
                try:
                    runner.run(self._main())
                except StorageError as error:
                    failure = error
                finally:
                    self._finish(failure)
        finally:
            self._inbox_bell = None  # nobody puts anything there any more
            if self._stopper is not None:
                wake([self._stopper])

    def _finish(self, failure: StorageError) -> None:
        with self._lock:
            self._closed = self._closed or failure
            self._ended = True
            left = [*self._inbox]
        self._fail_all(failure, left)

    @abstractmethod
    async def _main(self) -> None:
        """Do jobs until it is to end. Raises StorageError, which then every job gets."""

    @abstractmethod
    def _sort(self, jobs: Iterable[Job[Any]]) -> None:
        """These were asked for."""

    @abstractmethod
    def _hurry(self) -> None:
        """It is to end: `_stopper` is there."""

    @abstractmethod
    def _fail_all(self, error: StorageError, more: Iterable[Job[Any]] = ()) -> None:
        """Give an error to all that is not done, and to these."""

    def _take(self) -> None:
        with self._lock:
            self._rung = False
            jobs, self._inbox = self._inbox, deque()
        self._sort(jobs)

    def _deliver(self, jobs: Iterable[Job[Any]]) -> None:
        """Wake the tasks that wait for these jobs."""
        woken = []
        with self._lock:
            for job in jobs:
                if job.finished:
                    continue
                job.finished = True
                if job.withdrawn:
                    self._undo(job)
                elif job.waiter is not None:
                    woken.append(job.waiter)
        wake(woken)

    async def _ask(self, job: Job[T]) -> T:
        """Have a job done, from within a task of this thread."""
        job.waiter = new_waiter()
        with self._lock:
            self._put(job)
        await job.waiter.wait()
        if job.error is not None:
            raise job.error
        return job.result
