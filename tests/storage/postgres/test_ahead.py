"""What a claim reads besides."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.postgres import Place
from eventroute.errors import UnknownBus
from eventroute.storage.base import DEFAULT_BUS, LIVE, Claim, Complete, Record
from eventroute.storage.postgres.ahead import AHEAD_BYTES, Ahead
from eventroute.storage.postgres.reader import ReadThread
from eventroute.testing.storage.log import put, read_all

BUS = DEFAULT_BUS
ranges = st.tuples(st.integers(1, 5), st.integers(1, 5))


@given(
    claimed=st.lists(ranges, max_size=3),
    asked=ranges,
    limit=st.integers(1, 6),
    max_bytes=st.sampled_from([1, AHEAD_BYTES - 1, AHEAD_BYTES, 1 << 30]),
)
def test_what_is_kept_is_what_the_latest_claim_read(
    claimed: list[tuple[int, int]], asked: tuple[int, int], limit: int, max_bytes: int
) -> None:
    ahead = Ahead()
    for start, count in claimed:
        records = [Record(offset, 0.0, b"%d" % offset) for offset in range(start, start + count)]
        ahead.put(Claim(BUS, LIVE, start, start + count, 1, "s"), records)
    assert ahead.wanted(BUS) == (not claimed)
    start, end = asked[0], sum(asked)
    taken = ahead.take(BUS, start, end, limit, max_bytes)
    if claimed and claimed[-1] == asked and max_bytes >= AHEAD_BYTES:
        assert taken is not None
        assert [record.offset for record in taken] == [*range(start, end)][:limit]
    else:
        assert taken is None
    assert ahead.wanted(BUS)
    assert ahead.take(BUS, start, end, limit, max_bytes) is None


@pytest.mark.anyio
async def test_who_claims_need_not_ask_the_server_for_the_events(
    postgres: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, b"1", b"2", b"3")
        wanted = await read_all(storage)
        session = await storage.open_session(60)
        claim = await storage.claim(BUS, LIVE, session, limit=2)
        assert claim is not None
        with monkeypatch.context() as patch:
            patch.delattr(ReadThread, "_read")
            read = await storage.read(BUS, claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES)
        assert read == wanted[:2]
        assert await storage.read(BUS, claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES) == read


@pytest.mark.anyio
async def test_what_was_read_over_a_connection_that_is_lost_is_read_again(
    postgres: Place, shell: psycopg.Connection
) -> None:
    """The next one may be to another server, which had not got the last events when it took over."""
    async with postgres.storage(durable=False) as storage:
        await put(storage, b"lost", b"too")
        session = await storage.open_session(60)
        claim = await storage.claim(BUS, LIVE, session, limit=2)
        assert claim is not None
        works = storage._workers
        assert works is not None
        shell.execute("UPDATE event SET event = 'kept'")
        shell.execute("SELECT pg_terminate_backend(%s)", (works.ledger.pid,))
        shell.commit()
        assert await storage.claim(BUS, LIVE, session, limit=2) is None
        read = await storage.read(BUS, claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES)
        assert [record.event for record in read] == [b"kept"] * 2


@pytest.mark.anyio
async def test_events_of_too_many_bytes_are_left_to_be_asked_for(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await put(storage, *[b"x" * (AHEAD_BYTES // 2)] * 2, b"y")
        session = await storage.open_session(60)
        claim = await storage.claim(BUS, LIVE, session, limit=9)
        assert claim is not None
        assert storage._ahead.wanted(BUS)
        assert len(await storage.read(BUS, claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES)) == 2
        await storage.write(BUS, session, [Complete(claim)])


@pytest.mark.anyio
async def test_what_was_trimmed_or_deleted_meanwhile_is_not_read(postgres: Place) -> None:
    async with postgres.storage(durable=False) as storage:
        await storage.create_bus("b")
        session = await storage.open_session(60)
        for bus in (BUS, "b"):
            await storage.append(bus, [b"1", b"2"], append_id=bus)
        claims = {bus: await storage.claim(bus, LIVE, session, limit=9) for bus in (BUS, "b")}
        assert not storage._ahead.wanted(BUS)
        await storage.trim(BUS, 2, limit=9, hard=True)
        await storage.delete_bus("b")
        claim = claims[BUS]
        assert claim is not None
        read = await storage.read(BUS, claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES)
        assert [record.event for record in read] == [b"2"]
        claim = claims["b"]
        assert claim is not None
        with pytest.raises(UnknownBus):
            await storage.read("b", claim.start, claim.end, limit=9, max_bytes=AHEAD_BYTES)
