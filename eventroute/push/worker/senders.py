"""Which process sends for a subscription whose limits hold for all processes together: one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from eventroute.clock import Clock
from eventroute.push.lane import Lane
from eventroute.push.patience import patiently
from eventroute.storage.base import Session, Storage

__all__ = ["Senders"]


class Senders:
    """The lanes of a worker that send only while it is their turn among processes. `began` is called with one that
    begins to.
    """

    def __init__(
        self, storage: Storage, bus: str, session: Session, clock: Clock, began: Callable[[Lane], None]
    ) -> None:
        self._storage = storage
        self._bus = bus
        self._session = session
        self._clock = clock
        self._began = began

    async def look(self, lanes: Iterable[Lane]) -> None:
        """Have those of the lanes send for which nobody else does; let others where this process cannot, once nothing
        of it is in flight here.
        """
        lanes = [lane for lane in lanes if lane.limited]
        for lane in [one for one in lanes if one.sends and one.route.sink is None and not one.in_flight]:
            lane.sends = False
            await patiently(self._clock, self._storage.leave_sending, self._bus, lane.route.subscription, self._session)
        idle = [lane for lane in lanes if not lane.sends and not lane.route.held]
        if not idle:
            return
        others = await patiently(self._clock, self._storage.senders, self._bus)
        for lane in idle:
            if others.get(lane.route.subscription, self._session.id) == self._session.id:
                await self._take(lane)

    async def _take(self, lane: Lane) -> None:
        took = await patiently(
            self._clock, self._storage.take_sending, self._bus, lane.route.subscription, self._session
        )
        if took is not None and not lane.sends:
            lane.begin_to_send(after_another=took != "first")
            self._began(lane)
