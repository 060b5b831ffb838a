"""What many attempts need and one of them gets for all: secrets, access tokens, an endpoint's consent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

from eventroute.clock import Clock
from eventroute.errors import EventrouteError

__all__ = ["Family", "NotReady", "Shared"]

FAILURE_FOR = 1.0
"""For how many seconds a failure is the answer to all who ask, so that they do not all try the same."""

MEMBERS = 10_000
"""The most values that one router keeps of a kind; the one that was not used for longest is got anew."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class NotReady(EventrouteError):
    """What an attempt needs is not to be had now. `reason` is that of the retry; the text never holds a secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Shared(Generic[T]):
    """A value that is got by I/O, by one at a time, and kept for as long as it is good.

    `fetch` is given the value before, or None, and returns the new one with how many seconds it is good for; it may
    return the very same object. Raises what `fetch` raises.
    """

    def __init__(self, clock: Clock, fetch: Callable[[T | None], Awaitable[tuple[T, float]]]) -> None:
        self._clock = clock
        self._fetch = fetch
        self._value: T | None = None
        self._until = float("-inf")
        self._failure: NotReady | None = None
        self._failed_until = float("-inf")
        self._lock = anyio.Lock()

    @property
    def last(self) -> T | None:
        """The value as it was got last, or None."""
        return self._value

    async def get(self) -> T:
        """The value."""
        value = self._good()
        if value is not None:
            return value
        async with self._lock:
            value = self._good()
            return await self._anew() if value is None else value

    async def renew(self, used: T) -> T:
        """A newer value than `used`: the one that somebody else got meanwhile, else a new one."""
        async with self._lock:
            value = self._good()
            return value if value is not None and value is not used else await self._anew()

    def _good(self) -> T | None:
        return self._value if self._clock.monotonic() < self._until else None

    async def _anew(self) -> T:
        failure = self._failure
        if failure is not None and self._clock.monotonic() < self._failed_until:
            raise NotReady(failure.reason, str(failure))
        try:
            value, seconds = await self._fetch(self._value)
        except NotReady as error:
            self._failure, self._failed_until = error, self._clock.monotonic() + FAILURE_FOR
            raise
        self._failure = None
        self._value, self._until = value, self._clock.monotonic() + seconds
        return value


class Family(Generic[K, T]):
    """Shared values of one kind, by what they are of; bounded."""

    def __init__(self, make: Callable[[K], Shared[T]]) -> None:
        self._make = make
        self._members: OrderedDict[K, Shared[T]] = OrderedDict()

    def of(self, key: K) -> Shared[T]:
        """The shared value of a key, made at the first use."""
        shared = self._members.get(key)
        if shared is None:
            shared = self._members[key] = self._make(key)
            if len(self._members) > MEMBERS:
                self._members.popitem(last=False)
        else:
            self._members.move_to_end(key)
        return shared
