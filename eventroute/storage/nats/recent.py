"""The events that came last, so that who reads right behind the end of the log asks the server for nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

__all__ = ["Recent"]

_BYTES = 32 << 20


class Recent:
    """The events of messages by sequence; at most 32 MiB of them, and of one message however many it has."""

    def __init__(self) -> None:
        self._events: OrderedDict[int, Sequence[bytes]] = OrderedDict()
        self._size = 0

    def put(self, sequence: int, events: Sequence[bytes]) -> None:
        """Remember what a message brought."""
        self._events[sequence] = events
        self._size += sum(map(len, events))
        while self._size > _BYTES and len(self._events) > 1:
            _, gone = self._events.popitem(last=False)
            self._size -= sum(map(len, gone))

    def get(self, sequence: int) -> Sequence[bytes] | None:
        """Its events, where they are remembered."""
        return self._events.get(sequence)
