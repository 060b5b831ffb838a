"""What was asked for and is not done: each job gets its result, or is told in time that there will be none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from eventroute.clock import Clock
from eventroute.errors import StorageError, StorageFull
from eventroute.storage.jobs import Job, fail
from eventroute.storage.nats.link import Refused
from eventroute.storage.nats.log_commands import Append
from eventroute.storage.nats.loop_thread import LoopThread
from eventroute.storage.nats.machine import Applied, Machine
from eventroute.storage.nats.outbox import Outbox, Sent
from eventroute.storage.nats.requests import Change, Look, Task
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.tables import StreamTables

__all__ = ["ASK_AFTER", "SEND_AGAIN", "Board", "log"]

SEND_AGAIN = 2.0
"""Seconds after which what has not come is sent once more."""

ASK_AFTER = 0.2
"""Seconds after which the first message that has not come back is sent with the demand for an answer: if it is refused,
then why. That of the others is not the server's fault, as they count only behind it. Where an answer takes half as
long, each message is sent with that demand at once, so that none is stored twice.
"""

_FULL = {10077, 10047, 10023, 10028, 10054}
"""JetStream's numbers for: the stream, the account or the server has no room, or a message is too large."""

log = logging.getLogger("eventroute.storage.nats")


class Board(LoopThread):
    """Jobs, and what becomes of them. All is the thread's own."""

    def __init__(self, server: Server, clock: Clock | None) -> None:
        super().__init__("eventroute-nats")
        self._server = server
        self._machine: Machine | None = None
        self._outbox = Outbox(server, lambda: None if clock is None else clock.time())
        self._looks: list[Look[Any]] = []
        """Those whose state is not known to be new enough."""
        self._looking: list[Look[Any]] = []
        """Those for which the server is being asked how new it must be."""
        self._behind: list[tuple[int, list[Look[Any]]]] = []
        """Those that need the state behind a message which has not come yet."""
        self._running: dict[asyncio.Task[None], Task[Any]] = {}
        self._bell = asyncio.Event()
        """Rung where there is something to send."""
        self._away_since: float | None = time.monotonic()
        self._trouble = ""
        """What the server has failed by last."""
        self._sent_at = 0.0

    def _answer(self, looks: Iterable[Look[Any]]) -> None:
        done = [look for look in looks if not look.withdrawn and not look.finished]
        for look in done:
            try:
                look.result = look.work(self._tables)
            except Exception as error:  # noqa: BLE001 - the task that asked gets it
                fail([look], error)
        self._deliver(done)
        self._one_less()

    def _catch_up(self) -> None:
        """The state is a newer one: answer who needed no newer than this."""
        while self._behind and self._behind[0][0] <= self._state.sequence:
            self._answer(self._behind.pop(0)[1])

    def _one_less(self) -> None:
        """Something that was asked for is done: where the thread is to end, it may have been the last."""
        if self._stopper is not None:
            self._bell.set()

    @property
    def _state(self) -> Machine:
        if self._machine is None:
            raise StorageError(f"{self._server.where}: there is no state: {self._trouble}")
        return self._machine

    @property
    def _tables(self) -> StreamTables:
        return self._state.tables

    def _settle(self, applied: Applied) -> None:
        sent = self._outbox.settle(applied)
        if sent is None:
            if not applied.counted and applied.client not in self._state.clients:
                self._outbox.begin_anew()
                self._bell.set()
            return
        if applied.commands:
            for job, result in zip(sent.jobs, applied.results, strict=True):
                if isinstance(result, Exception):
                    if not job.finished:
                        job.error = result
                elif job.finished and job.error is not None:
                    self._take_back(job, result)
                else:
                    job.result = result
        self._deliver(job for job in sent.jobs if not job.finished)
        if self._outbox.queue:
            self._bell.set()
        self._one_less()

    def _take_back(self, job: Change[Any], result: Any) -> None:
        """It was told to have failed, and has come all the same."""
        undo = None if job.command is None else job.command.undo(result)
        if undo is not None:
            self._outbox.queue.appendleft(Change(lambda _tables: undo))

    def _hear_refusal(self, tag: bytes, refused: Refused) -> None:
        """The server does not store a message, and says why."""
        sent = next((one for one in self._outbox.sent if one.tag == tag), None)
        if sent is None:
            return
        self._trouble = str(refused)
        if refused.code in _FULL and not sent.void:
            text = (
                f"{self._server.where}: the server has no room left: {refused}: raise max_bytes or the account's limits"
            )
            self._abandon(sent, StorageFull(text))
            self._sent_at = 0.0
            self._bell.set()

    def _abandon(self, sent: Sent, error: StorageError) -> None:
        jobs = [job for job in self._outbox.void(sent) if not job.finished]
        fail(jobs, error)
        self._deliver(jobs)

    async def _watch_the_time(self) -> None:
        """Nobody waits longer than the patience allows."""
        while True:
            patience = self._server.patience
            await asyncio.sleep(min(0.25, patience / 4))
            if self._outbox.sent and time.monotonic() - self._sent_at > min(ASK_AFTER, SEND_AGAIN):
                self._bell.set()
            before = time.monotonic() - patience
            if self._away_since is not None:
                before = time.monotonic() - patience if self._away_since > before else time.monotonic()
            self._give_up(before)

    def _give_up(self, before: float) -> None:
        """Fail what was asked for before that time."""
        error = StorageError(
            f"{self._server.where}: the server cannot be reached, or the connection to it was lost, or it does not "
            f"answer: {self._trouble or 'nothing has come back'}"
        )
        for sent in list(self._outbox.sent):
            if not sent.void and any(not job.finished and job.asked <= before for job in sent.jobs):
                self._abandon(sent, error)
        late: list[Any] = [job for job in self._outbox.queue if job.asked <= before]
        self._outbox.queue = deque(job for job in self._outbox.queue if job.asked > before)
        for looks in (self._looks, self._looking, *(looks for _, looks in self._behind)):
            late += [look for look in looks if look.asked <= before]
        self._looks = [look for look in self._looks if look.asked > before]
        self._looking = [look for look in self._looking if look.asked > before]
        behind = [(last, [look for look in looks if look.asked > before]) for last, looks in self._behind]
        self._behind = [(last, looks) for last, looks in behind if looks]
        late += [job for job in self._running.values() if job.asked <= before and self._away_since is not None]
        late = [job for job in late if not job.finished]
        fail(late, error)
        self._deliver(late)
        self._one_less()

    def _fail_all(self, error: StorageError, more: Iterable[Job[Any]] = ()) -> None:
        jobs: list[Job[Any]] = [*more, *self._outbox.queue, *self._looks, *self._looking]
        jobs += [job for sent in self._outbox.sent for job in sent.jobs]
        jobs += [look for _, looks in self._behind for look in looks]
        jobs += self._running.values()
        jobs = [job for job in jobs if not job.finished]
        fail(jobs, error)
        self._outbox.queue.clear()
        self._looks, self._looking, self._behind = [], [], []
        self._deliver(jobs)

    def _jump(self, machine: Machine) -> None:
        """The state is that of a snapshot which others have taken: what came of changes before it is not known. Appends
        are made again, which tells it, since they have ids.
        """
        known = machine.clients.get(self._outbox.client)
        passed = self._outbox.pass_by(0 if known is None else known.last)
        self._outbox.queue.extendleft(job for job in reversed(passed) if isinstance(job.command, Append))
        jobs = [job for job in passed if not isinstance(job.command, Append)]
        fail(jobs, StorageError(f"{self._server.where}: it is not known what came of a change: look, or repeat it"))
        self._deliver(jobs)
