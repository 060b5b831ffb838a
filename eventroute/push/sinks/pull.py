"""Pulling: a consumer in this process asks for events, and says of each whether it is done; stored as `pull:ID`."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self
from weakref import finalize

import anyio
from anyio.lowlevel import checkpoint
from attrs import evolve, field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.bell import Bell
from eventroute.push.deadlines import Extend, extending
from eventroute.push.outcome import Delivered, Outcome, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.base import refuse_http_only

__all__ = ["Channel", "Pull", "PullSinks", "PulledEvent"]

MAX_BATCH = 1_024
"""The most events that one pull may have in hand at once."""


class PulledEvent:
    """An event in the hand of who pulls. Until it is acknowledged it counts as an attempt under way.

    What is neither acknowledged nor extended within the policy's `timeout` seconds comes again, to whoever pulls then.
    """

    def __init__(self, event: Event, extend: Extend) -> None:
        self.event = event
        self._extend = extend
        self._outcome: Outcome | None = None
        self._over = False
        self._told = anyio.Event()

    async def ack(self) -> bool:
        """It is done. False: that came too late, and the event comes again."""
        return await self._tell(Delivered())

    async def nack(self, delay: float | None = None) -> bool:
        """It could not be done: it comes again, not before `delay` seconds, or as the policy's backoff says.

        The attempt counts. False: that came too late, and the event comes again anyway.
        """
        return await self._tell(RetryLater("nack", after=delay))

    def extend(self, seconds: float) -> bool:
        """Take so many seconds from now on, and not what is left of the timeout. False: that came too late."""
        if self._over or self._outcome is not None:
            return False
        self._extend(seconds)
        return True

    async def _tell(self, outcome: Outcome) -> bool:
        told = self.tell(outcome)
        await checkpoint()  # who acknowledges in a loop lets others run
        return told

    def tell(self, outcome: Outcome) -> bool:
        """End the attempt, unless it has ended."""
        if self._over or self._outcome is not None:
            return False
        self._outcome = outcome
        self._told.set()
        return True

    async def outcome(self) -> Outcome:
        """Wait for the end of the attempt. What the consumer has said, and was told to be heard, counts, also where the
        attempt is cut off at that moment.
        """
        try:
            await self._told.wait()
        except anyio.get_cancelled_exc_class():
            if self._outcome is None:
                raise
        finally:
            self._over = True
        return self._outcome or RetryLater("released", counts=False)


class Channel:
    """Between the attempts of one subscription and its consumer; the sink while a pull is open."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.closed = False
        self._ready: deque[PulledEvent] = deque()
        self._open: set[PulledEvent] = set()
        self._more = Bell()

    async def send(self, event: Event) -> Outcome:
        """Hand an event over and wait for what the consumer says."""
        if self.closed:
            return RetryLater("released", counts=False)
        pulled = PulledEvent(event, extending())
        self._open.add(pulled)
        self._ready.append(pulled)
        self._more.ring()
        try:
            return await pulled.outcome()
        finally:
            self._open.discard(pulled)
            with suppress(ValueError):  # it has been taken
                self._ready.remove(pulled)

    async def take(self) -> PulledEvent | None:
        """Wait for the next event; None: the pull is closed."""
        await checkpoint()
        while not self.closed:
            if self._ready:
                return self._ready.popleft()
            await self._more.wait()
        return None

    def close(self) -> None:
        """Give back what is in hand, at once."""
        self.closed = True
        for pulled in list(self._open):
            pulled.tell(RetryLater("released", counts=False))
        self._more.ring()


class Pull:
    """Events of one subscription for who asks: `async for pulled in router.pull("s"): ... await pulled.ack()`.

    What is not acknowledged when the loop is left is given back at once, and its attempt does not count. `async with`
    around it makes sure of that on every Python; on CPython a loop that is left with `break` needs none.
    """

    def __init__(self, channel: Channel, begin: Callable[[], Awaitable[None]], end: Callable[[], None]) -> None:
        self._channel = channel
        self._begin: Callable[[], Awaitable[None]] | None = begin
        self._end = finalize(self, end)
        self._end.atexit = False

    async def __aenter__(self) -> Self:
        """Begin. Raises what `Router.pull` names."""
        begin, self._begin = self._begin, None
        if begin is not None:
            try:
                await begin()
            except BaseException:
                self._end()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what is in hand."""
        self._end()

    def __aiter__(self) -> Self:
        """The events, one by one."""
        return self

    async def __anext__(self) -> PulledEvent:
        """The next event; it waits for one. Ends when the router closes."""
        await self.__aenter__()
        pulled = await self._channel.take()
        if pulled is None:
            raise StopAsyncIteration
        return pulled


@frozen
class PullSinks:
    """The pulls that are open in this process, by address."""

    channels: dict[str, Channel] = field(factory=dict)

    @property
    def schemes(self) -> frozenset[str]:
        """`pull`."""
        return frozenset({"pull"})

    def pull(self, address: str, batch: int, begin: Callable[[], Awaitable[None]], end: Callable[[], None]) -> Pull:
        """Open a pull: `begin` is called before its first event, `end` when it has ended.

        Raises InvalidSubscription.
        """
        if not isinstance(batch, int) or isinstance(batch, bool) or not 1 <= batch <= MAX_BATCH:
            raise InvalidSubscription(f"{batch!r} is not a whole number from 1 to {MAX_BATCH}", where="batch")
        if address in self.channels:
            raise InvalidSubscription("this process pulls it already: one pull at a time", where=address)
        channel = self.channels[address] = Channel(batch)

        def close() -> None:
            if self.channels.get(address) is channel:
                del self.channels[address]
            channel.close()
            end()

        return Pull(channel, begin, close)

    def close_all(self) -> None:
        """The router closes: give back what is in hand."""
        for channel in self.channels.values():
            channel.close()

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """An address is `pull:ID`."""
        if not address.removeprefix("pull:"):
            raise InvalidSubscription("the address of what is pulled is pull:ID", where="sink")
        refuse_http_only(policy, "who pulls")

    def sink(self, address: str, policy: DeliveryPolicy) -> Channel | None:
        """The open pull, or None where this process has none."""
        return self.channels.get(address)

    def policy(self, address: str, policy: DeliveryPolicy) -> DeliveryPolicy:
        """The policy while it is pulled: as many at once as were asked for, and no breaker, since who asks is there."""
        channel = self.channels.get(address)
        return policy if channel is None else evolve(policy, concurrency=channel.batch, breaker=None)
