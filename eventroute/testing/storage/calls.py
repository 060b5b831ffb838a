"""What a storage promises of each of its calls, and of who may make them; a part of `StorageContract`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import anyio
import anyio.to_thread
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import checkpoint

from eventroute.errors import StorageClosed, UnknownBus
from eventroute.storage.base import LIVE, BusSettings, Session, Storage, StoredSubscription
from eventroute.storage.transfer import Placed
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import BUS, LogContract, put, read_all

__all__ = ["CallsContract", "calls_of_a_bus", "other_calls"]

Call = Callable[[], Awaitable[object]]


def calls_of_a_bus(storage: Storage, bus: str, session: Session) -> Mapping[str, Call]:
    """One of each call that names a bus which must be there."""
    stored = StoredSubscription("s", bus, b"d", 1, None, "s@1")
    return {
        "update_bus": lambda: storage.update_bus(bus, BusSettings()),
        "describe_bus": lambda: storage.describe_bus(bus),
        "delete_bus": lambda: storage.delete_bus(bus),
        "append": lambda: storage.append(bus, [b"1"], append_id="a"),
        "read": lambda: storage.read(bus, 0, 10, limit=1, max_bytes=1),
        "trim": lambda: storage.trim(bus, 1, limit=1),
        "bounds": lambda: storage.bounds(bus),
        "offset_at": lambda: storage.offset_at(bus, 0.0),
        "watch": lambda: storage.watch(bus, end=0, version=0, timeout=1.0),
        "fire_timers": lambda: storage.fire_timers(bus, now=0.0, limit=1),
        "next_timer": lambda: storage.next_timer(bus),
        "timers": lambda: storage.timers(bus),
        "count_timers": lambda: storage.count_timers(bus),
        "cancel_timer": lambda: storage.cancel_timer(bus, "1"),
        "put_subscription": lambda: storage.put_subscription(bus, "s", b"d", start="latest"),
        "changes": lambda: storage.changes(bus, 0),
        "readers": lambda: storage.readers(bus),
        "claim": lambda: storage.claim(bus, LIVE, session, limit=1),
        "write": lambda: storage.write(bus, session, ()),
        "breakers": lambda: storage.breakers(bus),
        "claim_waiting": lambda: storage.claim_waiting(bus, "s", session, now=0.0, limit=1),
        "waiting": lambda: storage.waiting(bus),
        "waiting_keys": lambda: storage.waiting_keys(bus, "s"),
        "waiting_rows": lambda: storage.waiting_rows(bus, "s"),
        "fates": lambda: storage.fates(bus, 1),
        "take_sending": lambda: storage.take_sending(bus, "s", session),
        "leave_sending": lambda: storage.leave_sending(bus, "s", session),
        "senders": lambda: storage.senders(bus),
        "dead_letters": lambda: storage.dead_letters(bus),
        "count_dead_letters": lambda: storage.count_dead_letters(bus),
        "redrive": lambda: storage.redrive(bus, (), due=0.0),
        "purge": lambda: storage.purge(bus, ()),
        "drop_dead_letters": lambda: storage.drop_dead_letters(bus, before=0.0, keep=None, limit=1),
        "forwards": lambda: storage.forwards(bus),
        "claim_letters": lambda: storage.claim_letters(bus, "s", session, now=0.0, limit=1),
        "claims": lambda: storage.claims(bus),
        "import_events": lambda: storage.import_events(bus, (), end=1, first=1),
        "place_subscription": lambda: storage.place_subscription(bus, Placed(stored, (), ())),
    }


def other_calls(storage: Storage, session: Session) -> Mapping[str, Call]:
    """One of each other call, but `open` and `aclose`."""
    return {
        "create_bus": lambda: storage.create_bus("other"),
        "buses": storage.buses,
        "open_session": lambda: storage.open_session(10),
        "extend_session": lambda: storage.extend_session(session),
        "close_session": lambda: storage.close_session(session),
        "remove_subscription": lambda: storage.remove_subscription("s"),
        "pause_subscription": lambda: storage.pause_subscription("s", "because"),
        "resume_subscription": lambda: storage.resume_subscription("s"),
        "leave_live": lambda: storage.leave_live("s"),
        "join_live": lambda: storage.join_live("s", within=1),
        "subscription": lambda: storage.subscription("s"),
        "start_replay": lambda: storage.start_replay("s", start="earliest", end=None),
        "cancel_replay": lambda: storage.cancel_replay("s", "s@1"),
        "sessions": storage.sessions,
    }


class CallsContract(LogContract):
    """What every call has in common, and calls from several event loops."""

    async def test_no_call_is_answered_before_opening_and_after_closing(self, clock: VirtualClock) -> None:
        storage = self.make_storage(clock)
        session = Session("nobody", 10.0)
        await _refused(storage, session)
        async with storage:
            session = await storage.open_session(10.0)
        await _refused(storage, session)

    async def test_an_unknown_bus_is_an_error_everywhere(self, storage: Storage) -> None:
        session = await storage.open_session(10)
        for name, call in calls_of_a_bus(storage, "no", session).items():
            with pytest.raises(UnknownBus) as caught:
                await call()
            assert caught.value.bus == "no", name
        assert await storage.buses() == (BUS,)

    async def test_several_event_loops_use_it_at_once(self, storage: Storage) -> None:
        async def publish(name: int) -> None:
            for number in range(20):
                await put(storage, *[b"%d.%d.%d" % (name, number, part) for part in range(3)])

        with start_blocking_portal() as one, start_blocking_portal() as two:
            with anyio.fail_after(60):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_elsewhere, one, partial(publish, 1))
                    tasks.start_soon(_elsewhere, two, partial(publish, 2))
                    tasks.start_soon(publish, 3)
            events = [record.event for record in await read_all(storage)]
            for name in (1, 2, 3):
                assert [event for event in events if event.startswith(b"%d." % name)] == [
                    b"%d.%d.%d" % (name, number, part) for number in range(20) for part in range(3)
                ]
            assert len(events) == 180
            for start in range(0, 180, 3):
                assert len({event.rpartition(b".")[0] for event in events[start : start + 3]}) == 1

    async def test_a_watch_in_another_event_loop_ends_too(self, storage: Storage) -> None:
        end = (await storage.bounds(BUS)).end
        with start_blocking_portal() as other, anyio.fail_after(30):
            watching = other.start_task_soon(partial(storage.watch, BUS, end=end, version=1_000_000, timeout=1e6))
            await _elsewhere(other, checkpoint)  # behind which the watch has begun
            await put(storage, b"1")
            await anyio.to_thread.run_sync(watching.result)

    async def test_a_watch_that_need_not_wait_lets_others_run(self, storage: Storage) -> None:
        await put(storage, b"1")
        turns = 0

        async def count() -> None:
            nonlocal turns
            for _ in range(5):
                await checkpoint()
                turns += 1

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(count)
            for _ in range(20):
                await storage.watch(BUS, end=0, version=0, timeout=1e6)
            assert turns == 5


async def _refused(storage: Storage, session: Session) -> None:
    for name, call in {**calls_of_a_bus(storage, BUS, session), **other_calls(storage, session)}.items():
        try:
            await call()
        except StorageClosed:
            continue
        pytest.fail(f"{name} was answered, though the storage is not open")


async def _elsewhere(portal: BlockingPortal, work: Callable[[], Awaitable[None]]) -> None:
    """Have another event loop, in a thread of its own, do something."""
    await anyio.to_thread.run_sync(portal.call, work)
