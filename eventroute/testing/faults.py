"""A storage that fails when it is told to, or by lot: for tests of what is built on one."""

from __future__ import annotations

import abc
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Literal, Self

from attrs import Factory, define

from eventroute.clock import Clock, SystemClock
from eventroute.errors import StorageError, StorageFull
from eventroute.storage.base import Storage

__all__ = ["Fault", "FaultyStorage"]

Fault = Literal["before", "after", "full", "slow"]
"""How a call fails: `before` with StorageError and nothing done; `after` with StorageError and all done, as when the
answer is lost on its way; `full` with StorageFull and nothing done; `slow` not at all, but late."""

_LIFECYCLE = frozenset({"open", "aclose"})
_ANSWER_MAY_BE_LOST = frozenset({"append"})  # of the others the interface says that an error means: nothing was done


@define
class _Lot:
    numbers: random.Random
    rate: float
    faults: tuple[Fault, ...]
    calls: Collection[str] | None

    def draw(self, call: str) -> Fault | None:
        if call in _LIFECYCLE or (self.calls is not None and call not in self.calls):
            return None
        if self.numbers.random() >= self.rate:
            return None
        fault = self.numbers.choice(self.faults)
        return "before" if fault == "after" and call not in _ANSWER_MAY_BE_LOST else fault


@define
class FaultyStorage(Storage):
    """A storage around another one, to which it passes all calls, but for those that fail. Made by `around`.

    `fail` tells how the next calls of a name fail; `happened` lists what did, as (call, fault).
    """

    inner: Storage
    """The one that does the work."""
    clock: Clock
    delay: float
    _draw: Callable[[str], Fault | None]
    happened: list[tuple[str, Fault]] = Factory(list)
    _script: dict[str, deque[Fault]] = Factory(dict)

    @classmethod
    def around(
        cls,
        storage: Storage,
        *,
        seed: int = 0,
        rate: float = 0.0,
        faults: Collection[Fault] = ("before", "after", "full", "slow"),
        calls: Collection[str] | None = None,
        delay: float = 1.0,
        clock: Clock | None = None,
    ) -> Self:
        """Of all calls (or those named in `calls`, but never `open` and `aclose`), the share `rate`, from 0 to 1, fails
        in one of the ways `faults`, drawn by `seed`. Where a call that is no append draws `after`, it fails `before`,
        since only an append may leave it unknown whether it was done. `slow` waits `delay` seconds by `clock`.
        """
        if not 0 <= rate <= 1 or not faults or not delay >= 0:
            raise ValueError("a rate is 0 to 1, a delay is 0 seconds or more, and there must be some fault")
        lot = _Lot(random.Random(seed), rate, tuple(faults), calls)  # noqa: S311 - no secret is drawn
        return cls(storage, SystemClock() if clock is None else clock, delay, lot.draw)

    def fail(self, call: str, *faults: Fault) -> None:
        """The next call of this name fails in the first of these ways, the one after it in the second, and so on;
        `open` too. Raises ValueError where no storage has such a call.
        """
        if call not in Storage.__abstractmethods__:
            raise ValueError(f"a storage has no call {call!r}; it has {', '.join(sorted(Storage.__abstractmethods__))}")
        self._script.setdefault(call, deque()).extend(faults)

    async def _pass_on(self, call: str, act: Callable[[], Awaitable[Any]]) -> Any:
        script = self._script.get(call)
        fault = script.popleft() if script else self._draw(call)
        if fault is None:
            return await act()
        self.happened.append((call, fault))
        if fault == "slow":
            await self.clock.sleep(self.delay)
            return await act()
        if fault == "full":
            raise StorageFull(f"{call}: there is no room, as this test wants it")
        if fault == "after":
            await act()
        raise StorageError(f"{call}: it failed, as this test wants it")


def _passing(name: str) -> Callable[..., Awaitable[Any]]:
    async def call(self: FaultyStorage, *arguments: Any, **named: Any) -> Any:
        return await self._pass_on(name, partial(getattr(self.inner, name), *arguments, **named))

    call.__name__ = name
    call.__doc__ = f"See `Storage.{name}`."
    return call


# Whatever the interface has, so that a call which is new there is never forgotten here.
for _name in Storage.__abstractmethods__:
    setattr(FaultyStorage, _name, _passing(_name))
abc.update_abstractmethods(FaultyStorage)  # type: ignore[type-abstract]
