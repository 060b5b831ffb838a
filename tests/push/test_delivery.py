"""A delivery has its event for itself, also where several subscriptions get it and it is read once."""

from __future__ import annotations

import pytest
from hypothesis import given

from eventroute.event import Event
from eventroute.push.delivery import Delivery, Shared
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.strategies.events import events as any_events
from tests.pushing import events, idle, to


@given(any_events())
def test_an_event_that_is_shared_is_as_one_that_is_not(event: Event) -> None:
    raw, shared = event.to_json(), Shared()
    alone = Delivery("s", 1, raw).event()
    for one in ("s", "t"):
        other = Delivery(one, 1, raw, shared=shared).event()
        assert other == alone
        assert list(other.attributes.items()) == list(alone.attributes.items())
        assert other.to_json() == alone.to_json() == raw


@pytest.mark.anyio
async def test_nobody_sees_what_another_subscription_does_to_an_event_that_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, read, seen = VirtualClock(), 0, []
    from_log = Event.from_log

    def counted(raw: bytes) -> Event:
        nonlocal read
        read += 1
        return from_log(raw)

    monkeypatch.setattr(Event, "from_log", counted)

    async def sink(event: Event) -> None:
        seen.append(event.data["n"])
        event.data["n"] = "changed"

    async with Router(MemoryStorage(clock), clock=clock) as router:
        for number in range(5):
            await router.subscribe(to(sink, id=f"s{number}"))
        await router.publish(*events(*range(3)))
        assert await idle(router, clock) == 0
    assert seen == [1] * 15
    assert read == 3
