"""Publishing: events are checked, written as JSON, and appended under an id that makes a repeat harmless."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, cast, overload
from uuid import uuid4

from eventroute.clock import Clock
from eventroute.errors import InvalidEvent, StorageClosed, StorageError, StorageFull
from eventroute.event import Event, is_timed
from eventroute.hooks import Hooks, Published
from eventroute.storage.base import Delayed, Storage
from eventroute.timing import deliver_after, expiry

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["MAX_EVENT_BYTES", "Identities", "Publishing", "encode", "identity_of"]

_log = logging.getLogger("eventroute")

MAX_EVENT_BYTES = 1_048_576
"""The default bound on one event in its JSON form, in bytes (1 MiB)."""

APPEND_TRIES = 3
"""How often an append whose answer was lost is repeated; the repeat cannot double it."""

ACKNOWLEDGED = 1_000
"""The most finished appends that are remembered, to be acknowledged by the next one."""


def identity_of(event: Event) -> bytes:
    """A digest of source and id. A line feed is in neither of the two, so none is another's."""
    return blake2b(f"{event.source}\n{event.id}".encode(), digest_size=16).digest()


class Identities(Sequence[bytes]):
    """What tells events apart, of each: a digest of its source and id. Reckoned only where a bus asks for it."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def __len__(self) -> int:
        """How many events there are."""
        return len(self._events)

    @overload
    def __getitem__(self, place: int) -> bytes: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...

    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        """The identity of an event."""
        return Identities(self._events[place]) if isinstance(place, slice) else identity_of(self._events[place])


class Publishing:
    """Appends for one router; `max_event_bytes` bounds one event in its JSON form."""

    def __init__(self, storage: Storage, clock: Clock, hooks: Hooks, *, max_event_bytes: int) -> None:
        self._storage = storage
        self._clock = clock
        self._hooks = hooks
        self._max_event_bytes = max_event_bytes
        self._acknowledged: deque[str] = deque(maxlen=ACKNOWLEDGED)

    async def publish(self, events: Sequence[BaseCloudEvent], bus: str) -> list[int | None]:
        """See `Router.publish`."""
        if not events:
            return []
        append_id = str(uuid4())
        acknowledged = list(self._acknowledged)
        ready = [Event.from_cloudevent(event) for event in events]
        offsets = await self._append(bus, ready, append_id, acknowledged)
        for known in acknowledged:
            if self._acknowledged and self._acknowledged[0] == known:
                self._acknowledged.popleft()
        self._acknowledged.append(append_id)
        if self._hooks:
            self._hooks.tell(Published(bus, tuple(ready), tuple(offsets)))
        return offsets

    async def forward(self, bus: str, events: Sequence[Event], append_id: str) -> None:
        """Append events to a bus under an id that stays the same when it is tried again. As `publish` otherwise."""
        # Never acknowledged: whether the delivery is settled shows only later, and a backend bounds what it remembers.
        await self._append(bus, events, append_id, [])

    async def _append(
        self, bus: str, events: Sequence[Event], append_id: str, acknowledged: list[str]
    ) -> list[int | None]:
        now = self._clock.time()
        batch = [encode(event, now, self._max_event_bytes) for event in events]
        delayed = [each for each in batch if isinstance(each, Delayed)]
        ready = [each for each in batch if isinstance(each, bytes)] if delayed else cast("list[bytes]", batch)
        identities = Identities(
            [event for event, each in zip(events, batch, strict=True) if isinstance(each, bytes)] if delayed else events
        )
        for attempt in range(1, APPEND_TRIES + 1):
            try:
                offsets = await self._storage.append(
                    bus, ready, append_id=append_id, acknowledged=acknowledged, delayed=delayed, identities=identities
                )
            except (StorageFull, StorageClosed):
                raise
            except StorageError as error:
                if attempt == APPEND_TRIES:
                    raise
                _log.warning("bus %s: an append failed, it is repeated: %s", bus, error)
                await self._clock.sleep(0.05 * attempt)
            else:
                if not delayed:
                    return list(offsets)
                told = iter(offsets)
                return [next(told) if isinstance(each, bytes) else None for each in batch]
        raise AssertionError("unreachable")


def encode(event: Event, now: float, max_event_bytes: int) -> bytes | Delayed:
    """The event as it is stored; a time that has come already is no delay. Raises InvalidEvent."""
    due = None
    if is_timed(event):
        due = deliver_after(event)
        expiry(event)  # raises where it is no time
    raw = event.to_json()
    if len(raw) > max_event_bytes:
        raise InvalidEvent(
            f"the event takes {len(raw)} bytes in its JSON form, the bound is {max_event_bytes}", where="data"
        )
    return raw if due is None or due <= now else Delayed(due, raw, identity_of(event))
