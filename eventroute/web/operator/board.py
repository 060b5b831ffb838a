"""What all who look at once are shown: read once for all of them, and remembered for a few minutes."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final

import anyio
from attrs import define, field, frozen

from eventroute.clock import Clock
from eventroute.errors import UnknownBus
from eventroute.router import Router
from eventroute.stats import Standing
from eventroute.storage.base import BusInfo
from eventroute.web.operator.rows import Troubles, all_troubles

__all__ = ["Board", "Moment"]

FRESH: Final = 2.0
"""For how many seconds what was read is shown to others too."""

MOMENTS: Final = 60
"""How many moments are remembered for each bus: two minutes of them while somebody looks."""

LAGGARDS: Final = 1_000
"""Of how many subscriptions with a reader of their own the lag is remembered at each moment, the furthest behind."""


@frozen
class Moment:
    """A bus at one moment."""

    time: float
    info: BusInfo
    standing: Standing
    troubles: Troubles


@frozen
class _Sample:
    """What is remembered of a moment."""

    time: float
    end: int
    """Of the log."""
    live: int
    """How far the live reader was behind, and so all that it serves."""
    own: dict[str, int]
    """Of those with a reader of their own that were behind."""


@define
class _Watched:
    samples: deque[_Sample] = field(factory=lambda: deque(maxlen=MOMENTS))
    latest: Moment | None = None
    lock: anyio.Lock = field(factory=anyio.Lock)


class Board:
    """Reads buses for all who look. Only while somebody looks is anything read."""

    def __init__(self, router: Router, clock: Clock) -> None:
        self.router = router
        self.clock = clock
        self._buses: dict[str, _Watched] = {}

    async def bus(self, bus: str) -> Moment:
        """The bus as it is, or was at most two seconds ago. Raises UnknownBus."""
        watched = self._buses.setdefault(bus, _Watched())
        async with watched.lock:
            now = self.clock.time()
            if watched.latest is None or not 0 <= now - watched.latest.time < FRESH:
                try:
                    watched.latest = await self._read(bus, now)
                except UnknownBus:
                    self._buses.pop(bus, None)
                    raise
                latest = watched.latest
                watched.samples.append(_Sample(now, latest.info.bounds.end, *latest.standing.own_lags(LAGGARDS)))
            return watched.latest

    def forget(self, bus: str) -> None:
        """Something was changed: read anew for who looks next."""
        if bus in self._buses:
            self._buses[bus].latest = None

    def rates(self, bus: str) -> list[float]:
        """Events a second that came between one look and the next."""
        samples = list(self._buses[bus].samples) if bus in self._buses else []
        return [
            max(after.end - before.end, 0) / max(after.time - before.time, 0.001) for before, after in pairwise(samples)
        ]

    def lags(self, bus: str, subscription: str) -> list[float]:
        """How many offsets it was behind at each look."""
        watched = self._buses.get(bus)
        if watched is None or watched.latest is None:
            return []
        live = watched.latest.standing.is_live(subscription)
        return [float(sample.own.get(subscription, sample.live if live else 0)) for sample in watched.samples]

    async def _read(self, bus: str, now: float) -> Moment:
        standing = await self.router.standing(bus)
        return Moment(now, standing.info, standing, all_troubles(standing))
