"""A router as the gateway sees it, which can fail on demand."""

from __future__ import annotations

from attrs import Factory, define

from eventroute.errors import UnknownBus
from eventroute.event import Event


@define
class Log:
    """Keeps events in memory, bus by bus, in offsets that leave gaps, as a storage may."""

    stored: dict[str, list[Event]] = Factory(lambda: {"default": [], "audit": []})
    fault: Exception | None = None

    async def publish(self, *events: Event, bus: str = "default") -> list[int]:
        if self.fault is not None:
            raise self.fault
        if bus not in self.stored:
            raise UnknownBus(bus)
        held = self.stored[bus]
        held.extend(events)
        return [10 * place for place in range(len(held) - len(events) + 1, len(held) + 1)]

    async def buses(self) -> tuple[str, ...]:
        if self.fault is not None:
            raise self.fault
        return tuple(sorted(self.stored))

    @property
    def empty(self) -> bool:
        return not any(self.stored.values())
