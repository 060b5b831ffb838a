"""What a lane has in memory and has not begun, counted, and in turns where its policy asks for order."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Final, cast

from eventroute.push.delivery import Delivery
from eventroute.push.lane.host import Host
from eventroute.push.lane.turns import Turns
from eventroute.push.policy.keys import KeyReader

__all__ = ["Queue"]


_NONE: Final = cast("list[Delivery]", ())
"""With each lane that has nothing to begin, as most have most of the time. Nothing can be put into it."""


class Queue(ABC):
    """The part of a `Lane` that keeps what has not begun: first in, first out, but for those whose key has another
    before them.
    """

    __slots__ = ("_host", "_next", "_typical", "bytes", "turns")

    def __init__(self, host: Host[Any]) -> None:
        self._host = host
        self._next = _NONE
        """Those that may begin: a list, which is never long, and of which there are many with one in it."""
        self.turns: Turns | None = None
        """Which key's turn it is, where the policy asks for order."""
        self.bytes = 0
        """The bytes of all events in memory that have not begun."""
        self._typical = 1
        """The bytes of the last event that came."""

    @property
    def queued(self) -> int:
        """How many deliveries are in memory and wait for their attempt."""
        return len(self._next) + (0 if self.turns is None else self.turns.behind)

    @abstractmethod
    def _came(self) -> None:
        """One may begin."""

    def _put(self, deliveries: list[Delivery], most_bytes: float = math.inf) -> int:
        """Take them in, one behind the other, until there are so many bytes or more; how many were taken. The list may
        be the lane's from now on.
        """
        count = 0
        for delivery in deliveries:
            if self.bytes >= most_bytes:
                deliveries = deliveries[:count]
                break
            self._typical = size = len(delivery.raw) or 1
            self.bytes += size
            count += 1
        self._host.load.queued += count
        if self.turns is not None:
            for delivery in deliveries:
                self.turns.add(delivery)
        elif count:
            self._append(deliveries)
        return count

    def _append(self, deliveries: list[Delivery]) -> None:
        if self._next:
            self._next.extend(deliveries)
        else:
            self._next = deliveries
        self._came()

    def _may_begin(self, delivery: Delivery) -> None:
        self._append([delivery])

    def _pop(self) -> Delivery:
        """The next that begins; there must be one."""
        delivery = self._next.pop(0)
        if not self._next:
            self._next = _NONE
        self.forget(delivery)
        delivery.begun = True
        return delivery

    def _take(self, most: int) -> list[Delivery]:
        """Those that begin next, up to so many, the first one last; there must be one."""
        if len(self._next) <= most:
            taken, self._next = self._next, _NONE
        else:
            taken = self._next[:most]
            del self._next[:most]
        self._account(taken, -1)
        taken.reverse()
        return taken

    def _give_back(self, taken: list[Delivery]) -> None:
        """What was taken has not begun."""
        self._account(taken, 1)
        self._next = [*reversed(taken), *self._next]

    def _account(self, deliveries: list[Delivery], sign: int) -> None:
        """That so many have come, or (-1) gone."""
        self.bytes += sign * sum([len(one.raw) or 1 for one in deliveries])
        self._host.load.queued += sign * len(deliveries)

    def forget(self, delivery: Delivery) -> None:
        """One is not counted any more: it has left memory, or no longer waits there."""
        self.bytes -= len(delivery.raw) or 1
        self._host.load.queued -= 1

    def take_out(self, delivery: Delivery) -> None:
        """One that has not begun goes into the ledger, for anybody, though its turn may have come."""
        if self.turns is not None and self.turns.has_turn(delivery):
            self._next = [one for one in self._next if one is not delivery] or _NONE
        self.forget(delivery)

    def let_go(self, deliveries: set[Delivery]) -> None:
        """These have not begun, and go into the ledger, for anybody; for where there is no order."""
        self._next = [one for one in self._next if one not in deliveries] or _NONE
        for one in deliveries:
            self.forget(one)

    def put_away(self, delivery: Delivery) -> list[Delivery]:
        """One goes into the ledger, for anybody; see `Turns.put_away`."""
        if self.turns is None:
            return []
        back = self.turns.put_away(delivery)
        for one in back:
            self.forget(one)
        return back

    def _keep_order(self, key: KeyReader | None) -> None:
        """Go by keys from now on, or no longer; what is queued is put in order."""
        if (key is None) is (self.turns is None):
            return
        queued = self._drain()
        self.turns = None if key is None else Turns(self._may_begin)
        for delivery in queued:
            if key is not None and delivery.key is None:
                delivery.key = key(delivery.raw)
        self._put(queued)

    def _drain(self) -> list[Delivery]:
        """Forget all that have not begun; they are returned, by offset where there is order."""
        self._host.load.queued -= self.queued
        queued = list(self._next)
        if self.turns is not None:
            queued = sorted(dict.fromkeys((*queued, *self.turns.drain())), key=lambda one: one.offset)
        self._next = _NONE
        self.bytes = 0
        return queued
