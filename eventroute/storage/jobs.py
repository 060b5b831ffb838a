"""Threads that do a storage's work while tasks wait: each owns a connection and takes jobs from a queue in order."""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.base import Delayed
from eventroute.storage.text import check_text
from eventroute.storage.threads import Waiter, new_waiter, wake

__all__ = ["AppendJob", "Call", "Job", "JobThread", "PatientCall", "fail"]

T = TypeVar("T")


class Job(Generic[T]):
    """Something to be done in a thread while a task waits.

    `cost` is roughly how long it takes, in microseconds, and bounds what shares a transaction. One that is not
    `durable` may be undone by a power loss. One that is `patient` waits a moment for others to share its transaction.
    """

    __slots__ = ("cost", "durable", "error", "finished", "result", "waiter", "withdrawn")

    patient = False

    result: T

    def __init__(self, cost: float, *, durable: bool) -> None:
        self.cost = cost
        self.durable = durable
        self.waiter: Waiter | None = None
        self.withdrawn = False
        self.finished = False
        self.error: Exception | None = None

    def undo(self) -> Job[None] | None:
        """The job that takes the effect back, where a task was cancelled before it learned the result."""
        return None


class Call(Job[T]):
    """A job that calls a function on what the thread works with; `undo` tells from its result how to take it back."""

    __slots__ = ("_undo", "work")

    def __init__(
        self,
        work: Callable[[Any], T],
        *,
        cost: float = 100,
        durable: bool = True,
        undo: Callable[[T], Callable[[Any], None]] | None = None,
    ) -> None:
        super().__init__(cost, durable=durable)
        self.work = work
        self._undo = undo

    def undo(self) -> Job[None] | None:
        """See `Job.undo`."""
        return None if self._undo is None else Call(self._undo(self.result), durable=False)


class PatientCall(Call[T]):
    """A call for whose result nobody waits urgently."""

    __slots__ = ()

    patient = True


class AppendJob(Job[tuple[int, ...]]):
    """An append; those that stand together in the queue are written together."""

    __slots__ = ("acknowledged", "append_id", "bus", "delayed", "events", "identities", "size")

    COSTS = (5.0, 3.0, 5.0, 0.003)
    """What an append costs, and each of its events, delayed events and bytes (microseconds)."""

    moved = 0
    """The bytes of the bus's timers that end with it."""

    def __init__(
        self,
        bus: str,
        events: Sequence[bytes],
        append_id: str,
        acknowledged: Sequence[str],
        delayed: Sequence[Delayed] = (),
        identities: Sequence[bytes] | None = None,
    ) -> None:
        check_text(append_id, "append_id")
        append, event, later, byte = self.COSTS
        size = sum(map(len, events))
        cost = append + event * len(events) + byte * size
        if delayed:
            more = sum(len(each.event) for each in delayed)
            size += more
            cost += later * len(delayed) + byte * more
        Job.__init__(self, cost, durable=True)
        self.size = size
        self.bus = bus
        self.delayed = delayed
        self.events = events
        self.append_id = append_id
        self.acknowledged = acknowledged
        self.identities = identities


class JobThread(ABC):
    """A thread with its queue, which is as long as tasks wait. What it does with jobs is its subclass's.

    Calls do not wait for all appends before them: who delivers makes one call behind the other, and would deliver the
    less, the more is published. Where both wait, each has half of a group at the least: what calls cost beyond theirs
    is not taken from the appends. Calls stay in order, and so do appends.
    """

    GROUP_COST = 5_000.0
    """Jobs are taken together up to this cost (microseconds)."""

    COMPANY_WITHIN = 0.002
    """How long patient jobs wait for others, in seconds."""

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._calls: deque[Job[Any]] = deque()
        self._appends: deque[Job[Any]] = deque()
        self._ending = False
        self._lock = threading.Lock()
        self._closed: StorageError | None = None
        self._started = False
        self._ended = False
        self._stopper: Waiter | None = None
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    # -- called from tasks -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread, where it is not running yet."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    async def run(self, job: Job[T]) -> T:
        """Have a job done and wait for it. A job that is cancelled before its turn is not done at all."""
        waiter = job.waiter = new_waiter()
        self.post(job)
        try:
            await waiter.wait()
        except BaseException:
            self._withdraw(job)
            raise
        if job.error is not None:
            raise job.error
        return job.result

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._closed is not None

    def post(self, job: Job[Any]) -> None:
        """Queue a job. Raises StorageClosed, or the error that ended the thread."""
        with self._lock:
            if self._closed is not None:
                raise copy.copy(self._closed)
            self._queue.put(job)

    async def stop(self) -> None:
        """Let the thread do what is queued and end, and wait for that. Only once."""
        stopper = new_waiter()
        with self._lock:
            if not self._started or self._ended:
                return
            self._stopper = stopper
            self._closed = StorageClosed("the storage was closed")
            self._queue.put(None)
        await stopper.wait()

    def _withdraw(self, job: Job[Any]) -> None:
        with self._lock:
            job.withdrawn = True
            if job.finished:
                self._undo(job)

    def _undo(self, job: Job[Any]) -> None:
        """Nobody will learn what the job did: queue what takes it back."""
        undo = job.undo() if job.error is None else None
        if undo is not None:
            self._queue.put(undo)

    # -- in the thread ---------------------------------------------------------------------------------------------

    @abstractmethod
    def _begin(self) -> None:
        """Open what the thread works with. Raises StorageError, which then every job gets."""

    @abstractmethod
    def _work(self, jobs: list[Job[Any]]) -> None:
        """Do these jobs, giving each its result or error. A StorageError that it raises is that of them all."""

    @abstractmethod
    def _end(self) -> None:
        """Let go of what the thread works with, as far as it was opened."""

    def _main(self) -> None:
        failure = StorageError("a thread of the storage has died: this is a fault in eventroute")
        jobs: list[Job[Any]] = []
        try:
            self._begin()
            while jobs := self._take():
                try:
                    self._work(jobs)
                except StorageError as error:
                    fail(jobs, error)
                self._deliver(jobs)
                self._tidy()
        except StorageError as error:
            failure = error
        finally:
            self._end()
            self._finish(jobs, failure)

    def _take(self) -> list[Job[Any]]:
        """Wait for a job and take what else is queued, within the cost; empty: it is time to end."""
        jobs: list[Job[Any]] = []
        cost = 0.0
        while not jobs and (self._calls or self._appends or not self._ending):
            if not (self._calls or self._appends):
                self._line_up(self._next())
            cost = self._fill(jobs, cost)
        while cost < self.GROUP_COST and all(job.patient for job in jobs) and not self._ending:
            try:
                self._line_up(self._queue.get(timeout=self.COMPANY_WITHIN))
            except Empty:
                break
            cost = self._fill(jobs, cost)
        return jobs

    def _fill(self, jobs: list[Job[Any]], cost: float) -> float:
        """Take what is queued, up to the cost; returns the cost of what has been taken."""
        while not self._queue.empty():
            self._line_up(self._queue.get())  # nobody else takes from it
        if not self._appends:
            return _move(self._calls, jobs, cost, self.GROUP_COST)
        cost = _move(self._calls, jobs, cost, self.GROUP_COST / 2)
        return _move(self._appends, jobs, min(cost, self.GROUP_COST / 2), self.GROUP_COST)

    def _line_up(self, job: Job[Any] | None) -> None:
        if job is None:
            self._ending = True
        else:
            (self._appends if isinstance(job, AppendJob) else self._calls).append(job)

    def _next(self) -> Job[Any] | None:
        while True:
            try:
                return self._queue.get(timeout=self._patience())
            except Empty:
                self._idle()

    def _patience(self) -> float | None:
        """How many seconds to wait for a job before `_idle` is called; None: for ever."""
        return None

    def _idle(self) -> None:  # noqa: B027 - most have endless patience
        """There was nothing to do for that long."""

    def _tidy(self) -> None:  # noqa: B027 - most have nothing to tidy
        """The jobs are delivered: this is the time for what nobody waits for."""

    def _deliver(self, jobs: list[Job[Any]]) -> None:
        """Wake the tasks that wait for these jobs."""
        with self._lock:
            for job in jobs:
                job.finished = True
                if job.withdrawn:
                    self._undo(job)
        wake(job.waiter for job in jobs if job.waiter is not None)

    def _finish(self, jobs: list[Job[Any]], failure: StorageError) -> None:
        """The thread ends: nobody is left waiting."""
        with self._lock:
            self._closed = self._closed or failure
            self._ended = True
            left = [*jobs, *self._calls, *self._appends]
            while not self._queue.empty():
                job = self._queue.get()
                left += [] if job is None else [job]
        fail(left, failure)
        self._deliver(left)
        if self._stopper is not None:
            wake([self._stopper])


def _move(line: deque[Job[Any]], jobs: list[Job[Any]], cost: float, most: float) -> float:
    """Take jobs out of a line up to a cost, the first whatever it costs; returns the cost of all."""
    moved = 0
    while line and (line[0].withdrawn or not moved or cost + line[0].cost <= most):
        job = line.popleft()
        if not job.withdrawn:
            jobs.append(job)
            cost += job.cost
            moved += 1
    return cost


def fail(jobs: Iterable[Job[Any]], error: Exception) -> None:
    """Give the jobs an error; each its own copy, since each is raised in another task."""
    for job in jobs:
        job.error = copy.copy(error)
        job.error.__cause__ = error.__cause__
