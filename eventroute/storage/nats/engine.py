"""The thread that owns the connection: it follows the stream, sends changes, and answers who asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar

from eventroute.clock import Clock
from eventroute.errors import StorageClosed, StorageError
from eventroute.storage.jobs import Job, fail
from eventroute.storage.nats.board import ASK_AFTER, SEND_AGAIN, log
from eventroute.storage.nats.follower import Follower
from eventroute.storage.nats.keeper import Keeper
from eventroute.storage.nats.link import Link, Refused, Unreachable
from eventroute.storage.nats.machine import Machine
from eventroute.storage.nats.outbox import Outbox, Sent
from eventroute.storage.nats.recent import Recent
from eventroute.storage.nats.requests import Change, Look, Task
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.threads import Watchers

__all__ = ["Engine"]

T = TypeVar("T")

WINDOW = 8
"""How many messages may be on their way. What is asked for meanwhile shares the next."""

_FULL = 0.9
"""How much of the stream's `max_bytes` events may take. The rest is for the ledger: else nothing could be trimmed."""

_NEARLY_FULL = 0.8
"""From where on a snapshot is taken as soon as there is something new, so that what was trimmed goes."""

_FIRST_WAIT = 0.02
_LONGEST_WAIT = 1.0  # seconds between two tries to reach the server; it doubles from the first to the longest


class Engine(Follower):
    """Jobs go in from any thread; all else happens in its own."""

    def __init__(self, server: Server, clock: Clock | None, watchers: Watchers, *, as_is: bool = False) -> None:
        super().__init__(server, clock, watchers, as_is=as_is)
        self._clock = clock
        self._serving: Link | None = None
        """That over which what is asked for may be sent, once what was sent before has been sent again."""
        self._look_bell = asyncio.Event()
        self._tried_at = 0

    async def _main(self) -> None:
        """Connect, serve, and begin anew, until it is to end.

        As long as it has not served once, it does so only where servers are there, and do not serve yet.
        """
        wait = _FIRST_WAIT
        impatience = asyncio.create_task(self._watch_the_time())
        try:
            while not self._is_done():
                link = self._link = Link(self._server)
                try:
                    await self._serve(link)
                    wait = _FIRST_WAIT
                except (Unreachable, Refused, StorageError) as error:
                    failed = self._failed(error)
                    if self._machine is None and not (link.connected and isinstance(error, Unreachable)):
                        raise failed from None
                    if isinstance(error, StorageError):
                        self._lose_state(error)
                finally:
                    await link.close()
                if not self._is_done():
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, _LONGEST_WAIT)
        finally:
            impatience.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def _failed(self, error: Exception) -> StorageError:
        self._trouble = " ".join(str(error).split())
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("%s: lost: %s", self._server.where, self._trouble)
        if isinstance(error, StorageError):
            return error
        return StorageError(f"{self._server.where}: the server cannot be reached, or has failed: {self._trouble}")

    def _is_done(self) -> bool:
        if self._stopper is None:
            return False
        if self._machine is None:
            return True
        looks = self._looks or self._looking or self._behind
        idle = not (self._inbox or self._outbox.queue or self._outbox.sent or looks or self._running)
        away = self._away_since
        return idle or (away is not None and time.monotonic() - away >= self._server.patience)

    # -- serving ---------------------------------------------------------------------------------------------------

    async def _serve(self, link: Link) -> None:
        """Be connected, until the connection is lost or it is time to end.

        Raises Unreachable, Refused, StorageError.
        """
        await link.connect()
        await self._keeper.prepare(link)
        machine = await self._keeper.machine(link, self._machine)
        if machine is not self._machine:
            if self._machine is not None:
                self._jump(machine)
            self._go_on_from(machine)
        self._catch_up()
        if self._server.max_bytes is not None:
            await self._look_at_size(link, self._server.max_bytes)
        await link.listen(self._hear_answer)
        self._gap.clear()
        await self._begin(link)
        if self._away_since is not None and self._trouble:
            log.warning("%s: back", self._server.where)
        self._away_since = None
        self._bell.set()
        self._look_bell.set()
        tasks = [
            asyncio.create_task(one)
            for one in (self._send(link), self._look(link), self._keep(link), self._mend(link), link.lost.wait())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._serving = None
            self._company.meet()
            link.over = True  # the client swallows a cancellation that comes together with an answer
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result
        if link.lost.is_set():
            raise (
                link.fault if isinstance(link.fault, StorageError) else Unreachable(str(link.fault or "it was closed"))
            )

    async def _send(self, link: Link) -> None:
        """Send again what is not settled, when it is time. It ends when all is done and to be ended."""
        self._send_again(link)
        self._serving = link
        self._pump()
        while not (self._is_done() or link.over):
            await self._bell.wait()
            self._bell.clear()
            waited = time.monotonic() - self._sent_at if self._outbox.sent else 0.0
            if waited > SEND_AGAIN:
                self._send_again(link)
            elif waited > ASK_AFTER and not self._outbox.sent[0].asked:
                link.way = waited
                self._publish(link, self._outbox.sent[0], ask=True)
            self._pump()

    def _pump(self) -> None:
        """Send what is asked for, after what is not settled from before."""
        link = self._serving
        if link is None or link.over or self._held:
            return
        try:
            while self._outbox.queue and self._outbox.may_send(WINDOW):
                moment = self._server_time.now() if link.alone else None
                messages = self._outbox.pack(self._tables, link.max_payload, moment)
                self._deliver(self._take_refused())
                for message in messages:  # where it comes back, and soon, that says that it is stored
                    self._publish(link, message, ask=link.alone or link.way > ASK_AFTER / 2)
                self._sent_at = time.monotonic()
        except Unreachable as error:  # what is not sent is sent again by the next connection
            link.give_up(error)

    def _send_again(self, link: Link) -> None:
        for message in list(self._outbox.sent):
            self._publish(link, message, ask=True)
        self._sent_at = time.monotonic()

    @staticmethod
    def _publish(link: Link, message: Sent, *, ask: bool) -> None:
        message.asked = ask
        link.publish(message.subject, message.body, message.tag, answer=ask)

    def _take_refused(self) -> list[Change[Any]]:
        refused, self._outbox.refused = self._outbox.refused, []
        return refused

    async def _look(self, link: Link) -> None:
        """Answer who reads, once the state is as new as the stream was when they asked."""
        while not link.over:
            await self._look_bell.wait()
            self._look_bell.clear()
            self._looking, self._looks = self._looking + self._looks, []
            if not self._looking:
                continue
            last = await link.last()
            looks, self._looking = self._looking, []
            if last <= self._state.sequence:
                self._answer(looks)
            else:
                self._behind.append((last, looks))
                if link.alone and not self._outbox.sent:
                    self._meet()

    async def _keep(self, link: Link) -> None:
        """Take snapshots when it is time, and see whether the stream is still followed."""
        sequence = 0
        while not link.over:
            if sequence == self._state.sequence and (self._outbox.sent or self._behind):
                self._gap.set()  # the last message may have been left out
            sequence = self._state.sequence
            with suppress(TimeoutError):
                async with asyncio.timeout(0.25):
                    await self._keeper.due.wait()
            if link.alone:
                await self._check(link)
            elif link.is_silent():
                raise Unreachable("nothing has been heard for long")
            elif link.passed > self._state.sequence:
                self._gap.set()  # a purge takes what it has still to send from a consumer of 2.9
            if self._server.max_bytes is not None:
                await self._look_at_size(link, self._server.max_bytes)
            if self._keeper.due.is_set():
                await self._keeper.tend(link, self._state)

    async def _look_at_size(self, link: Link, limit: int) -> None:
        """What is left in the stream is for the ledger; where it becomes little, what was trimmed must go."""
        await link.last()
        self._outbox.room = _FULL * limit - link.size
        if link.size > _NEARLY_FULL * limit and self._state.sequence > self._tried_at:
            self._tried_at = self._state.sequence
            self._keeper.due.set()

    # -- jobs ------------------------------------------------------------------------------------------------------

    def _hurry(self) -> None:
        self._bell.set()

    def _sort(self, jobs: Iterable[Job[Any]]) -> None:
        now: list[Look[Any]] = []
        for job in jobs:
            if isinstance(job, Change):
                self._outbox.queue.append(job)
            elif isinstance(job, Look):
                (self._looks if job.fresh or self._machine is None else now).append(job)
            elif isinstance(job, Task):
                task = self._loop.create_task(self._work(job))
                self._running[task] = job
                task.add_done_callback(self._worked)
        if now:
            self._answer(now)
        if self._looks:
            self._look_bell.set()
        self._pump()

    async def _work(self, job: Task[Any]) -> None:
        try:
            job.result = await job.work()
        except (Unreachable, Refused) as error:
            fail([job], StorageError(f"{self._server.where}: {error}"))
        except asyncio.CancelledError:
            fail([job], StorageClosed("the storage was closed"))
        except Exception as error:  # noqa: BLE001 - the task that asked gets it
            fail([job], error)
        self._deliver([job])

    def _worked(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._one_less()

    def _lose_state(self, error: StorageError) -> None:
        """What is known here does not fit what the server has: everybody is told, and it is read anew."""
        log.error("%s", error)
        self._fail_all(error)
        self._outbox = Outbox(self._server, self._outbox.time)
        self.recent = Recent()
        self._keeper = Keeper(self._server, as_is=self._as_is)
        self._go_on_from(Machine())

    # -- for jobs that take several steps --------------------------------------------------------------------------

    async def change(self, make: Callable[[StreamTables], Any]) -> Any:
        """A change, from within a task of this thread."""
        return await self._ask(Change(make))

    async def look(self, work: Callable[[StreamTables], T], *, fresh: bool = True) -> T:
        """A look, from within a task of this thread."""
        return await self._ask(Look(work, fresh=fresh))

    def knows(self, bus: str) -> bool:
        """Whether there is such a bus, as far as is known here."""
        return self._machine is not None and bus in self._machine.tables.numbers

    @property
    def where(self) -> str:
        """The address, for errors."""
        return self._server.where

    async def fetch(self, sequences: list[int]) -> list[bytes]:
        """The bodies of messages. Raises Unreachable, Refused."""
        if self._link is None:
            raise Unreachable(self._trouble)
        return await self._link.get(sequences)

    def time(self) -> float:
        """The time of the clock that was handed in, or the server's as far as it is known."""
        if self._clock is not None:
            return self._clock.time()
        return max(self._tables.now, self._server_time.now() / 1e9)
