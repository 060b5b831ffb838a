from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import DamagedEvent, InvalidEvent
from eventroute.event import Event
from eventroute.filters.filter import Filter
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Record
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.tracing.search import Found, Sought, search

made = st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from("ab"), st.integers(0, 3)), max_size=30)
wanted = st.fixed_dictionaries({}, optional={"id": st.sampled_from("xy"), "type": st.sampled_from("ab")})


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@given(made, wanted, st.integers(1, 5), st.integers(1, 7))
def test_pages_together_are_all_that_fits_the_newest_first(
    backend: str, log: list[tuple[str, str, int]], sought: dict[str, Any], limit: int, scan: int
) -> None:
    anyio.run(partial(_search, log, sought, limit, scan), backend=backend)


async def _search(log: list[tuple[str, str, int]], sought: dict[str, Any], limit: int, scan: int) -> None:
    clock = VirtualClock()
    async with Router(MemoryStorage(clock), push=False, clock=clock) as router:
        model = []
        for name, kind, wait in log:
            await clock.advance(wait)
            (offset,) = await router.publish(Event.create(id=name, type=kind, source="/s"))
            model.append((offset, clock.time(), name, kind))
        cut = clock.time() / 2
        window = {"since": datetime.fromtimestamp(cut, UTC)} if len(log) % 2 else {}
        got, before = [], None
        for _ in range(100):
            page = await router.find(before=before, limit=limit, scan=scan, **sought, **window)  # type: ignore[arg-type]
            assert len(page.events) <= limit
            assert page.scanned <= max(scan, 1)
            got += [match.offset for match in page.events]
            before = page.before
            if before is None:
                break
        assert got == [
            offset
            for offset, time, name, kind in reversed(model)
            if name == sought.get("id", name) and kind == sought.get("type", kind) and (not window or time >= cut)
        ]


texts = st.text(alphabet='ab"\\\u00e9\U0001f600/', min_size=1, max_size=3)


def made_here(name: str, kind: str, data: str) -> bytes:
    return Event.create(id=name, type=kind, source="/s", data={"n": data}).to_json()


def made_elsewhere(name: str, kind: str) -> bytes:
    return json.dumps({"specversion": "1.0", "id": name, "type": kind, "source": "/s"}).encode()


raws = st.one_of(
    st.builds(made_here, texts, texts, texts), st.builds(made_elsewhere, texts, texts), st.just(b"no event")
)


@given(
    raws,
    st.fixed_dictionaries({}, optional={"id": texts, "type": texts}),
    st.lists(st.sampled_from(["type = 'a'", {"prefix": {"type": "a"}}, {"exact": {"data.n": "a"}}]), max_size=2),
)
def test_what_need_not_be_read_does_not_fit(raw: bytes, wanted: dict[str, str], filters: list[Any]) -> None:
    sought = Sought(**wanted, filters=tuple(Filter.parse(one) for one in filters))  # type: ignore[arg-type]
    try:
        fits = sought.fits(Event.from_log(raw))
    except InvalidEvent:
        return
    assert sought.may_fit(raw) or not fits
    if b"\\" not in raw and not wanted:
        assert sought.may_fit(raw) == fits  # so nothing is read for nothing


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sought", "offsets"),
    [
        ({}, [2, 1]),
        ({"source": "/a"}, [1]),
        ({"subject": "x"}, [1]),
        ({"filters": (Filter.parse("data.n > 1"),)}, [2]),
        ({"until": datetime(1971, 1, 1, tzinfo=UTC)}, []),
    ],
)
async def test_what_is_sought_is_found(sought: dict[str, Any], offsets: list[int]) -> None:
    storage = MemoryStorage()
    async with Router(storage, push=False) as router:
        await router.publish(
            Event.create(id="1", type="t", source="/a", subject="x", data={"n": 1}),
            Event.create(id="2", type="t", source="/b", data={"n": 2}),
        )
        page = await router.find(**sought)
        assert [match.offset for match in page.events] == offsets
        assert page.before is None


@pytest.mark.anyio
async def test_what_is_no_event_is_listed_only_where_everything_is() -> None:
    async with MemoryStorage() as storage:
        await storage.append(DEFAULT_BUS, [b"junk"], append_id="1")
        assert [match.event for match in (await search(storage, DEFAULT_BUS, Sought())).events] == [None]
        assert (await search(storage, DEFAULT_BUS, Sought(id="1"))).events == ()


@pytest.mark.anyio
async def test_what_cannot_be_decoded_ends_no_search_and_no_trace() -> None:
    storage = MemoryStorage()
    async with Router(storage, push=False) as router:
        await router.subscribe(Subscription(id="s", sink="https://example.com", filters=["NOT data.n = 2"]))
        damaged = b'{"specversion":"1.0","id":"d","source":"/s","type":"t","data":"\xff"}'
        await storage.append(DEFAULT_BUS, [damaged], append_id="1")
        await router.publish(Event.create(id="1", type="t", source="/s", data={"n": 1}))
        page = await router.find(filters=(Filter.parse("NOT data.n = 2"),))
        assert [match.offset for match in page.events] == [2]
        (traced,) = (await router.trace(offset=1)).events
        assert traced.event is not None
        assert (traced.event.id, traced.kept) == ("d", True)
        assert traced.deliveries[0].matched is None


class Damaged(MemoryStorage):
    async def read(self, bus: str, start: int, end: int, *, limit: int, max_bytes: int) -> list[Record]:
        if start <= 2 < end:
            if start == 2:
                raise DamagedEvent("memory", bus, 2, "it is damaged")
            end = 2
        return await super().read(bus, start, end, limit=limit, max_bytes=max_bytes)


@pytest.mark.anyio
async def test_damaged_events_are_counted_and_passed() -> None:
    async with Router(Damaged(), push=False) as router:
        await router.publish(*(Event.create(id=str(n), type="t", source="/s") for n in (1, 2, 3)))
        page: Found = await router.find()
        assert [match.offset for match in page.events] == [3, 1]
        assert page.damaged == 1
        assert (await router.trace(offset=2)).events[0].event is None


def test_a_time_has_a_zone() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Sought(since=datetime(2026, 1, 1))  # noqa: DTZ001
