"""What a lane has in memory and has not begun, counted, and in turns where its policy asks for order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import define

from eventroute.push.delivery import Delivery
from eventroute.push.keys import KeyReader
from eventroute.push.turns import Turns

__all__ = ["Load", "Queue"]


@define
class Load:
    """What all lanes of a worker have in memory together."""

    queued: int = 0


class Queue:
    """First in, first out, but for those whose key has another before them. `came` is called when one may begin."""

    def __init__(self, load: Load, came: Callable[[], None]) -> None:
        self.ready: deque[Delivery] = deque()
        """Those that may begin."""
        self.turns: Turns | None = None
        """Which key's turn it is, where there is order."""
        self.bytes = 0
        self.typical = 1
        """The bytes of the last event that came."""
        self._load = load
        self._came = came

    def __len__(self) -> int:
        return len(self.ready) + (0 if self.turns is None else self.turns.behind)

    def put(self, delivery: Delivery) -> None:
        """Take one in."""
        self.typical = size = len(delivery.raw) or 1
        self.bytes += size
        self._load.queued += 1
        if self.turns is None:
            self.ready.append(delivery)
            self._came()
        else:
            self.turns.add(delivery)

    def _may_begin(self, delivery: Delivery) -> None:
        self.ready.append(delivery)
        self._came()

    def pop(self) -> Delivery:
        """The next that begins; there must be one."""
        delivery = self.ready.popleft()
        self.bytes -= len(delivery.raw) or 1
        self._load.queued -= 1
        delivery.begun = True
        return delivery

    def forget(self, delivery: Delivery) -> None:
        """One is no longer in memory, or no longer waits there."""
        self.bytes -= len(delivery.raw) or 1
        self._load.queued -= 1

    def put_away(self, delivery: Delivery) -> list[Delivery]:
        """One goes into the ledger, for anybody; see `Turns.put_away`."""
        if self.turns is None:
            return []
        back = self.turns.put_away(delivery)
        for one in back:
            self.forget(one)
        return back

    def keep_order(self, key: KeyReader | None) -> None:
        """Go by keys from now on, or no longer; what is queued is put in order."""
        if (key is None) is (self.turns is None):
            return
        queued = self.clear()
        self.turns = None if key is None else Turns(self._may_begin)
        for delivery in queued:
            if key is not None and delivery.key is None:
                delivery.key = key(delivery.raw)
            self.put(delivery)

    def clear(self) -> list[Delivery]:
        """Forget all that have not begun; they are returned, by offset where there is order."""
        self._load.queued -= len(self)
        queued = list(self.ready)
        if self.turns is not None:
            queued = sorted(dict.fromkeys((*queued, *self.turns.drain())), key=lambda one: one.offset)
        self.ready.clear()
        self.bytes = 0
        return queued
