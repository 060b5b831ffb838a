"""Events are read from what is at hand, or from the server, and are the same.

What is read from a message that is another one by now ends before the first event that was not written so.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.nats import Place
from eventroute.errors import UnknownBus
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.nats.engine import Engine
from eventroute.storage.nats.events import _found
from eventroute.storage.nats.index import Run
from eventroute.storage.nats.recent import Recent
from eventroute.testing.storage.log import put

EVENTS = st.lists(st.binary(max_size=2), max_size=6)


@given(events=EVENTS, now=st.none() | EVENTS, picked=st.none() | st.sets(st.integers(0, 5), min_size=1))
@example(events=[b"1", b"2"], now=[b"1"], picked=None)
@example(events=[b"1", b"2"], now=[b"1", b"22"], picked={1})
def test_only_what_was_written_is_found(events: list[bytes], now: list[bytes] | None, picked: set[int] | None) -> None:
    numbers: Sequence[int] = range(len(events))
    if picked is not None:
        numbers = array("I", sorted(number for number in picked if number < len(events)))
    run = Run(7, 1, 9, numbers, array("I", [len(events[number]) for number in numbers]))
    there = events if now is None else now
    expected = []
    for number in numbers:
        if number >= len(there) or len(there[number]) != len(events[number]):
            break
        expected.append(there[number])
    assert [*_found(run, there)] == expected


@pytest.mark.anyio
async def test_what_is_at_hand_is_as_it_is_on_the_server_and_needs_no_task(
    nats: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    work = Engine._work

    async def begin(self: Engine, job: object) -> None:
        begun.append(job)
        await work(self, job)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_work", begin)
    async with nats.storage() as storage:
        for count in (1, 5, 2):
            await put(storage, *[b"%d" % number * 10 for number in range(count)])
        async with anyio.create_task_group() as tasks:  # some share a message
            for _ in range(10):
                tasks.start_soon(put, storage, b"x")
        await storage.trim(DEFAULT_BUS, 3, limit=9)
        asked = [
            (start, end, limit, max_bytes)
            for start in range(3, 20)
            for end in range(start, 20)
            for limit in (1, 3, 99)
            for max_bytes in (1, 40, 1_000)
        ]
        at_hand = [await storage.read(DEFAULT_BUS, a, b, limit=c, max_bytes=d) for a, b, c, d in asked]
        assert begun == []
        assert [len(await storage.read(DEFAULT_BUS, 1, end, limit=9, max_bytes=99)) for end in (9, 30)] == [6, 9]
        assert len(begun) == 2
        with pytest.raises(UnknownBus):
            await storage.read("unknown", 1, 2, limit=9, max_bytes=99)
        assert storage._workers is not None
        storage._workers.recent = Recent()
        for (start, end, limit, max_bytes), records in zip(asked[::20], at_hand[::20], strict=True):
            assert await storage.read(DEFAULT_BUS, start, end, limit=limit, max_bytes=max_bytes) == records
