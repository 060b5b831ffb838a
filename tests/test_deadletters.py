from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.deadletters import PAGE, Selection, letter_event
from eventroute.errors import InvalidEvent, Reject
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, DeadLetter
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def letter(subscription: str, offset: int, reason: str = "http-400") -> DeadLetter:
    """One of offset n was given up n seconds after START."""
    event = Event.create(id=str(offset), type="t", source="/s", data={"n": offset}).to_json()
    return DeadLetter(subscription, offset, START.timestamp() + offset, reason, "no", 3, event)


LETTERS = [letter("a", 1), letter("a", 2, "gone"), letter("b", 1), letter("b", 3, "gone")]


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    async with Router(MemoryStorage(), push=False) as router:
        for name in ("a", "b"):
            await router.subscribe(Subscription(id=name, sink="https://example.com/"))
        session = await router.storage.open_session(60)
        await router.storage.write(DEFAULT_BUS, session, [Bury(one) for one in LETTERS])
        yield router


CHOICES: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [0, 1, 2, 3]),
    ({"subscription": "a"}, [0, 1]),
    ({"reason": "gone"}, [1, 3]),
    ({"offset": 1}, [0, 2]),
    ({"since": START + timedelta(seconds=2)}, [1, 3]),
    ({"until": START + timedelta(seconds=2)}, [0, 2]),
    ({"subscription": "b", "reason": "gone", "offset": 3, "since": START}, [3]),
    ({"subscription": "nobody"}, []),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("which", "places"), CHOICES)
async def test_listing_redriving_and_purging_choose_alike(
    router: Router, which: dict[str, Any], places: list[int]
) -> None:
    chosen = [LETTERS[place] for place in places]
    others = [one for one in LETTERS if one not in chosen]
    assert await router.deadletters(**which) == chosen
    assert await router.purge(**which) == len(chosen)
    assert await router.deadletters() == others
    session = await router.storage.open_session(60)
    await router.storage.write(DEFAULT_BUS, session, [Bury(one) for one in chosen])
    assert await router.redrive(**which) == len(chosen)
    assert await router.deadletters() == others
    assert sum(summary.count for summary in await router.storage.waiting(DEFAULT_BUS)) == len(chosen)


@pytest.mark.anyio
async def test_a_list_goes_on_behind_a_letter(router: Router) -> None:
    assert await router.deadletters(after=("a", 1), limit=2) == LETTERS[1:3]
    assert await router.deadletters(after=("a", 1), reason="gone", limit=1) == LETTERS[1:2]
    assert await router.count_deadletters() == {
        ("a", "http-400"): 1,
        ("a", "gone"): 1,
        ("b", "http-400"): 1,
        ("b", "gone"): 1,
    }


@pytest.mark.anyio
async def test_more_than_a_page_of_them(router: Router) -> None:
    many = [letter("a", offset, "gone" if offset % 2 else "http-400") for offset in range(10, 10 + 2 * PAGE)]
    session = await router.storage.open_session(60)
    await router.storage.write(DEFAULT_BUS, session, [Bury(one) for one in many])
    wanted = [one for one in many if one.reason == "gone"]
    assert await router.deadletters(reason="gone", subscription="a", limit=5_000) == [LETTERS[1], *wanted]
    assert await router.purge(reason="gone") == PAGE + 2
    assert await router.redrive() == PAGE + 2
    assert await router.deadletters() == []


@pytest.mark.anyio
async def test_letters_of_a_subscription_that_was_removed_are_not_its_successors(
    router: Router, caplog: pytest.LogCaptureFixture
) -> None:
    stored = await router.storage.subscription("a")
    await router.unsubscribe("a")
    await router.storage.put_subscription(DEFAULT_BUS, "a", stored.definition, start="latest")
    assert await router.redrive(subscription="a") == 0
    assert "2 dead letters stay: their events are gone, or their subscriptions were removed" in caplog.text
    assert await router.redrive() == 2
    assert await router.redrive(removed=True) == 2
    assert await router.deadletters() == []


@pytest.mark.anyio
async def test_a_time_needs_a_zone(router: Router) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        await router.purge(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    assert len(await router.deadletters()) == len(LETTERS)


def test_a_letter_as_an_event_says_what_became_of_it() -> None:
    event = letter_event(LETTERS[1])
    assert event.data == {"n": 2}
    assert {name: value for name, value in event.attributes.items() if name.startswith("deadletter")} == {
        "deadletterreason": "gone",
        "deadlettererror": "no",
        "deadlettersub": "a",
        "deadlettertime": "2026-01-01T00:00:02Z",
        "deadletterattempts": 3,
    }


def test_a_letter_whose_event_was_lost_is_none() -> None:
    with pytest.raises(InvalidEvent):
        letter_event(DeadLetter("a", 1, 0.0, "event-missing", "", 1, b""))


@given(
    error=st.text(),
    attempts=st.integers(0, 2**31 - 1),
    time=st.floats(0, 4e9),
    reason=st.text(min_size=1, alphabet=st.characters(codec="ascii", categories=["L", "N", "Pd"])),
)
def test_whatever_a_letter_holds_it_is_an_event(error: str, attempts: int, time: float, reason: str) -> None:
    raw = LETTERS[0].event
    event = letter_event(DeadLetter("a", 1, time, reason, error, attempts, raw))
    again = Event.from_json(event.to_json())
    assert again.attributes.get("deadlettererror", "") == event.attributes.get("deadlettererror", "")


@pytest.mark.anyio
async def test_an_error_that_a_sink_says_makes_an_event_too() -> None:
    clock = VirtualClock()

    async def sink(event: Event) -> None:
        raise Reject("no\x00t \ud800 printable")

    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.subscribe(Subscription(id="s", sink=sink))
        await router.publish(Event.create(type="t", source="/s"))
        await router.idle()
        [found] = await router.deadletters()
        assert letter_event(found).attributes["deadlettersub"] == "s"


def test_a_selection_takes_texts_and_numbers_only() -> None:
    with pytest.raises(TypeError):
        Selection(subscription=7)  # type: ignore[arg-type]
