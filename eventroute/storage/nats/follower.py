"""What a process makes of the stream: each message is applied, in order, whether it comes or is known to be there."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod

from eventroute.clock import Clock
from eventroute.storage.nats.board import Board
from eventroute.storage.nats.company import Company
from eventroute.storage.nats.keeper import Keeper
from eventroute.storage.nats.link import Link, Refused, Stored, Unreachable
from eventroute.storage.nats.machine import Machine
from eventroute.storage.nats.outbox import Sent
from eventroute.storage.nats.recent import Recent
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.server_time import ServerTime
from eventroute.storage.threads import Watchers

__all__ = ["Follower"]

_CHECK = 2.0
"""Seconds after which who is alone asks whether that is so: a message of another may get lost on its way."""

_REST = 60.0
"""Seconds after which who sends nothing follows the stream: it learns no more of the server's time by what it sends."""


class Follower(Board):
    """All is the thread's own."""

    def __init__(self, server: Server, clock: Clock | None, watchers: Watchers, *, as_is: bool = False) -> None:
        super().__init__(server, clock)
        self._watchers = watchers
        self._link: Link | None = None
        self._as_is = as_is
        self._keeper = Keeper(server, as_is=as_is)
        self._company = Company()
        self._server_time = ServerTime()
        self._gap = asyncio.Event()
        """Whether the stream has to be followed in another way, or from another place on."""
        self._held = False
        """Whether nothing more is to be sent until all that was has come."""
        self._settled = asyncio.Event()
        """Rung where it has, or need not."""
        self._checked = 0.0
        self.recent = Recent()

    @abstractmethod
    def _pump(self) -> None:
        """Send what is asked for."""

    # -- how the stream is followed --------------------------------------------------------------------------------

    async def _mend(self, link: Link) -> None:
        """Where a message was left out, follow the stream anew from there, if it has that. The same where others write
        to it, which this process has not followed since it was alone; where it is alone, follow it no longer.
        """
        while not link.over:
            await self._gap.wait()
            self._gap.clear()
            if self._company.alone and not link.alone:
                await self._be_alone(link)
            elif link.alone is not self._company.alone or await self._is_missing(link):
                self._company.meet()
                if link.alone:  # nothing has told whether it is still the same stream
                    await self._keeper.check(link, self._state)
                await link.follow(self._state.sequence, self._hear)

    async def _begin(self, link: Link) -> None:
        """Follow the stream, or begin alone, where nothing has to be sent again before."""
        self._server_time.begin(await link.follow(self._state.sequence, self._hear))
        if self._company.alone and not self._outbox.sent:
            await self._be_alone(link)
        elif self._company.alone:
            self._gap.set()

    async def _is_missing(self, link: Link) -> bool:
        """Whether the stream has a message that has not come. Raises Unreachable where one is gone from its middle."""
        sequence = self._state.sequence
        if await link.last() <= sequence:
            return False
        there = link.alone or await link.message(sequence + 1) is not None
        if self._state.sequence != sequence:
            return False
        if not there:
            self._keeper.miss()
            raise Unreachable(f"message {sequence + 1} is missing: a snapshot may have what it said")
        return True

    async def _be_alone(self, link: Link) -> None:
        """From now on an answer says what is stored. What was sent before asks for none, and has to come back first."""
        self._held = True
        try:
            if not await link.watch_others(self._meet):
                self._company.stay()
                return
            while self._outbox.sent and self._company.alone:
                self._settled.clear()
                await self._settled.wait()
            if self._company.alone and await link.last() == self._state.sequence:
                link.be_alone()
                self._checked = time.monotonic()
            else:
                self._company.meet()
                await link.ignore_others()
        finally:
            self._held = False
            self._pump()

    def _meet(self) -> None:
        """Others write to the stream, too."""
        self._company.meet()
        self._settled.set()
        self._gap.set()

    async def _check(self, link: Link) -> None:
        """Every few seconds: whether the stream still ends where it does by what this process has sent, and what time
        the server has by now.
        """
        if time.monotonic() - self._checked < _CHECK:
            return
        sequence = self._state.sequence
        last, stamp = await link.end()
        self._checked = time.monotonic()
        if last < sequence:
            raise Unreachable(f"message {sequence} is gone")
        self._server_time.learn(last, stamp)
        if last > self._state.sequence and not self._outbox.sent:
            self._meet()
        elif self._checked - self._sent_at > _REST:
            self._company.rest()
            self._gap.set()

    # -- what comes ------------------------------------------------------------------------------------------------

    def _hear_answer(self, tag: bytes, answer: int | Refused) -> None:
        if isinstance(answer, Refused):
            self._hear_refusal(tag, answer)
            return
        sent, sequence = self._outbox.first(tag), self._state.sequence
        if sent is not None and answer <= sequence:
            raise Unreachable(f"message {answer} is another one by now")
        if sent is not None and sent.moment is not None and answer == sequence + 1:
            self._apply(answer, None, sent.body, sent)
        elif answer > sequence and self._link is not None and self._link.alone:
            self._meet()

    def _hear(self, stored: Stored) -> None:
        machine = self._state
        if stored.sequence <= machine.sequence:
            return
        if stored.sequence != machine.sequence + 1:
            self._gap.set()
            return
        self._apply(stored.sequence, stored.stamp, stored.body, self._outbox.first(stored.tag))

    def _apply(self, sequence: int, stamp: int | None, body: bytes, sent: Sent | None) -> None:
        """The next message of the stream has come, or is known to be the one that was sent; `stamp`: when the server
        stored it, where that is known.
        """
        machine = self._state
        before = machine.volume
        applied = machine.apply(sequence, stamp or 0, body, None if sent is None else sent.known)
        self._server_time.hear(sequence, stamp)
        if self._company.hear(own=sent is not None):
            self._gap.set()
        self._keeper.saw(machine, before, own=applied.client == self._outbox.client)
        if applied.events:
            self.recent.put(sequence, applied.events)
        self._tell_watchers(machine)
        if applied.client == self._outbox.client:
            self._settle(applied)
            if not self._outbox.sent:
                self._settled.set()
        self._catch_up()

    def _go_on_from(self, machine: Machine) -> None:
        """The state is another one, to which no messages have led here: who watches learns it by nothing that comes."""
        before = {} if self._machine is None else self._machine.tables.numbers
        self._machine = machine
        for bus, _ in before.items() - machine.tables.numbers.items():
            self._watchers.forget(bus)
        self._tell_watchers(machine)

    def _tell_watchers(self, machine: Machine) -> None:
        for bus in machine.tables.take_gone():
            self._watchers.forget(bus)
        news = machine.tables.take_news()
        if news:
            self._watchers.advance(news)
