from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import Unauthorized
from eventroute.event import Event
from eventroute.gateway.authorize import AccessRequest
from eventroute.router import Router
from eventroute.stats import Standing, SubscriptionStats
from eventroute.storage.base import (
    DEFAULT_BUS,
    LIVE,
    Bounds,
    Bury,
    BusInfo,
    BusSettings,
    Complete,
    DeadLetter,
    Entry,
    Reader,
    Span,
    Trip,
    Wait,
    Waiting,
    WaitingSummary,
)
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.values import BreakerState
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from eventroute.tracing.roster import Listed, Service
from eventroute.tracing.trace import DelayedTrace
from eventroute.tracing.views import View
from eventroute.web.operator.app import operator_app
from eventroute.web.operator.paging import PAGE, paged
from eventroute.web.operator.rows import SORTS, STATES, all_troubles, listed, troubles
from eventroute.web.operator.shown import MAX_DATA, ago, duration, points, pretty, size
from tests.web.browsing import Visitor

pytestmark = pytest.mark.anyio

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7777*7777}}"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def router(clock: VirtualClock) -> AsyncIterator[Router]:
    async with Router(MemoryStorage(clock), push=False, clock=clock) as router:
        for name in ("billing", "mail", "stuck"):
            await router.subscribe(
                Subscription(id=name, sink="https://example.com/hook", types=[] if name != "mail" else ["other"])
            )
        await router.create_bus("audit")
        await router.subscribe(Subscription(id="elsewhere", sink="https://example.com/", bus="audit"))
        await router.pause("stuck", HOSTILE)
        event = Event.create(id=HOSTILE, type="order", source="/shop", subject="7", data={"note": HOSTILE})
        await router.publish(event, Event.create(id="2", type="order", source="/shop"))
        session = await router.storage.open_session(5)
        claim = await router.storage.claim(DEFAULT_BUS, "live", session, limit=1)
        assert claim is not None
        letter = DeadLetter("billing", 1, 0.0, "http-400", HOSTILE, 3, event.to_json())
        waiting = Waiting("billing", 2, clock.time() + 60, attempts=2, reason="http-503")
        trip = Trip(BreakerState("billing", 1, opened=0.0, trips=1, probe=9.0))
        entries: list[Entry] = [Complete(claim), Bury(letter), Wait(waiting, held=False), trip]
        await router.storage.write(DEFAULT_BUS, session, entries)
        yield router


def visitor(router: Router, clock: VirtualClock, **settings: Any) -> Visitor:
    return Visitor(operator_app(router, clock=clock, **settings))


PAGES = [
    "/",
    "/default/",
    "/default/?q=bill&state=trouble&sort=behind&page=7",
    "/default/?state=paused&sort=dead",
    "/default/?state=lagging&sort=waiting",
    "/default/?sort=id",
    "/default/subscriptions/billing",
    "/default/subscriptions/stuck",
    "/default/subscriptions/billing/-/delete",
    "/default/events",
    "/default/events?type=order&since=1970-01-01T00:00:00Z",
    "/default/events?id=nobody",
    "/default/events/1",
    "/default/events/1?state=any",
    "/default/events/1?state=not-matched&page=3",
    "/default/events/1?q=mail",
    "/default/deadletters",
    "/default/deadletters?subscription=billing&reason=http-400",
    "/default/deadletters?reason=http-400",
    "/default/deadletters?after_subscription=a&after_offset=0",
    "/default/deadletters/redrive?subscription=billing",
    "/default/deadletters/purge?offset=1",
]


@pytest.mark.parametrize("path", PAGES)
async def test_what_events_and_errors_hold_stays_text(router: Router, clock: VirtualClock, path: str) -> None:
    answer = await visitor(router, clock).get(path)
    assert answer.status == 200
    text = answer.body.decode()
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "60481729" not in text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_what_is_wrong_stands_first(router: Router, clock: VirtualClock) -> None:
    text = (await visitor(router, clock).get("/")).body.decode()
    assert "Subscriptions in trouble: 2" in text
    assert text.index("sink is down") < text.index("paused: ") < text.index("<h2>Buses</h2>")
    assert "dead letters: 1" in text


async def test_an_event_that_is_delayed_until_after_the_last_year_does_not_keep_others_from_being_seen(
    router: Router, clock: VirtualClock
) -> None:
    for late in ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.9999999Z"):
        await router.publish(Event.create(type="t", source="/s", extensions={"deliverafter": late}))
    found = await visitor(router, clock).get("/default/events")
    assert found.status == 200
    assert found.body.decode().count("9999-12-31T23:59:59Z") >= 2
    assert [DelayedTrace.of("default", one).to_dict()["due"] for one in await router.timers("default")] == [
        "9999-12-31T23:59:59Z"
    ] * 2


async def test_what_is_no_event_does_not_keep_others_from_being_seen(router: Router, clock: VirtualClock) -> None:
    event = '{{"specversion":"1.0","id":{name},"source":"/s","type":"t",{more}}}'
    told = [("1", '"x":1'), ('"1"', '"subject":1'), ('"1"', '"time":[]'), ('"1"', f'"data":{"[" * 500}{"]" * 500}')]
    logged = [event.format(name=name, more=more).encode() for name, more in told]
    await router.storage.append("default", [*logged, b"", b"\xff", b"[]"], append_id="from elsewhere")
    await router.publish(Event.create(type="t", source="/s", subject="still seen"))
    page = visitor(router, clock)
    for query in ("", "?filter=data.a = 1", "?subject=still seen", "?since=0001-01-01T00:00:00Z"):
        assert (await page.get(f"/default/events{query}")).status == 200
    assert "still seen" in (await page.get("/default/events")).body.decode()
    end = (await router.storage.bounds("default")).end
    for offset in range(1, end):
        assert (await page.get(f"/default/events/{offset}?state=any")).status == 200


async def test_a_page_of_an_event_is_its_trace(router: Router, clock: VirtualClock) -> None:
    page = visitor(router, clock)
    text = (await page.get("/default/events/1")).body.decode()
    assert text.index("billing</a></strong>") < text.index("stuck</a></strong>")
    assert f"given up at 1970-01-01T00:00:00Z: {ESCAPED}" in text
    assert "The filters of 1 do not match" in text
    assert "mail</a></strong>" not in text
    for query in ("state=not-matched", "state=any", "q=mai"):
        asked = (await page.get(f"/default/events/1?{query}")).body.decode()
        assert "mail</a></strong>" in asked
        assert "Why it does not match" in asked
    assert "mail</a></strong>" not in (await page.get("/default/events/1?q=mail&state=settled")).body.decode()
    assert (await page.get("/default/events/99")).status == 404
    for nonsense in ("9" * 18, "9" * 5_000, "-1", "x"):
        assert (await page.get(f"/default/events/{nonsense}")).status in (400, 404)
    answer = await page.get("/default/events?offset=2")
    assert (answer.status, answer.headers["location"]) == (303, "/default/events/2")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing/", 404),
        ("/nothing/events", 404),
        ("/default/subscriptions/nobody", 404),
        ("/default/subscriptions/elsewhere", 404),
        ("/audit/subscriptions/billing/-/delete", 404),
        ("/default/deadletters/burn", 404),
        ("/default/events?offset=x", 400),
        ("/default/events?since=yesterday", 400),
        ("/default/deadletters?after_offset=-1", 400),
        ("/default/?page=x", 400),
    ],
)
async def test_what_is_not_there_or_cannot_be_is_refused(
    router: Router, clock: VirtualClock, path: str, status: int
) -> None:
    assert (await visitor(router, clock).get(path)).status == status


async def test_a_filter_that_cannot_be_read_says_where(router: Router, clock: VirtualClock) -> None:
    answer = await visitor(router, clock).get("/default/events?filter=type+%3D%3D+7")
    assert answer.status == 200
    assert 'role="alert"' in answer.body.decode()
    found = await visitor(router, clock).get("/default/events?filter=id+%3D+'2'")
    assert "events/2" in found.body.decode()


# -- what is done ------------------------------------------------------------------------------------------------------


async def test_a_subscription_is_paused_resumed_replayed_and_removed(router: Router, clock: VirtualClock) -> None:
    page, path = visitor(router, clock), "/default/subscriptions/mail"
    await page.get(path)
    answer = await page.post(f"{path}/-/pause", {"reason": "moving house"})
    assert (answer.status, answer.headers["location"]) == (303, f"{path}?done=paused")
    assert (await router.subscription("mail")).paused == "moving house"
    assert "Paused" in (await page.get(path)).body.decode()
    await page.post(f"{path}/-/resume", {})
    assert (await router.subscription("mail")).paused is None
    answer = await page.post(f"{path}/-/replay", {"start": "1", "end": ""})
    assert answer.status == 303
    (replay,) = await router.replays("mail")
    assert "<progress" in (await page.get(path)).body.decode()
    assert (await page.post(f"{path}/-/cancel", {"replay": replay.name})).status == 303
    assert await router.replays("mail") == []
    assert "ended" in (await page.post(f"{path}/-/cancel", {"replay": replay.name})).headers["location"]
    for form in ({"start": "yesterday"}, {"start": "", "end": "earliest"}):
        assert (await page.post(f"{path}/-/replay", form)).status == 400
    assert (await page.post(f"{path}/-/replay", {"start": "1970-01-01T00:00:00Z", "end": "2"})).status == 303
    assert (await page.post(f"{path}/-/delete", {})).headers["location"] == "/default/?done=removed%3A+mail"
    assert (await page.get(path)).status == 404


async def test_dead_letters_are_redriven_and_purged_after_a_question(router: Router, clock: VirtualClock) -> None:
    page = visitor(router, clock)
    text = (await page.get("/default/deadletters/redrive?subscription=billing&reason=http-400")).body.decode()
    assert "Redrive 1</button>" in text
    assert "Purge 0</button>" in (await page.get("/default/deadletters/purge?reason=other")).body.decode()
    answer = await page.post("/default/deadletters/redrive", {"subscription": "billing", "reason": "http-400"})
    assert answer.headers["location"] == "/default/deadletters?done=redriven%3A+1"
    assert await router.deadletters() == []
    session = await router.storage.open_session(5)
    await router.storage.write(DEFAULT_BUS, session, [Bury(DeadLetter("billing", 1, 0.0, "r", "", 1, b"{}"))])
    answer = await page.post("/default/deadletters/purge", {"offset": "1"})
    assert answer.headers["location"] == "/default/deadletters?done=purged%3A+1"
    assert await router.deadletters() == []


ACTS = [
    "/default/subscriptions/mail/-/pause",
    "/default/subscriptions/mail/-/resume",
    "/default/subscriptions/mail/-/replay",
    "/default/subscriptions/mail/-/cancel",
    "/default/subscriptions/mail/-/delete",
    "/default/deadletters/redrive",
    "/default/deadletters/purge",
]


@pytest.mark.parametrize("path", ACTS)
async def test_nothing_is_done_without_a_token_or_the_right_to(router: Router, clock: VirtualClock, path: str) -> None:
    asked: list[tuple[str, str]] = []

    def authorize(request: AccessRequest) -> None:
        asked.append((request.bus, request.action))
        if request.action != "look":
            raise Unauthorized("only to look", forbidden=True)

    page = visitor(router, clock, authorize=authorize)
    await page.get("/default/")
    assert (await page.post(path, {})).status == 403
    assert asked[-1] == ("default", "manage")
    page = visitor(router, clock)
    await page.get("/default/")
    page.token = "another"
    assert (await page.post(path, {})).status == 403
    assert (await router.subscription("mail")).paused is None
    assert len(await router.deadletters()) == 1
    assert await router.replays("mail") == []


async def test_who_may_see_one_bus_sees_no_other(router: Router, clock: VirtualClock) -> None:
    def authorize(request: AccessRequest) -> None:
        if request.bus not in ("", "audit"):
            raise Unauthorized("not yours", forbidden=True)

    page = visitor(router, clock, authorize=authorize)
    text = (await page.get("/")).body.decode()
    assert "audit" in text
    assert "billing" not in text
    assert (await page.get("/default/")).status == 403
    assert (await page.get("/audit/subscriptions/billing")).status == 404
    assert (await page.post("/audit/subscriptions/billing/-/pause", {})).status == 404


# -- live --------------------------------------------------------------------------------------------------------------


async def test_a_page_is_sent_again_when_it_changes_and_too_many_are_refused(
    router: Router, clock: VirtualClock
) -> None:
    app = operator_app(router, clock=clock, streams=1)
    sent: list[bytes] = []
    over = anyio.Event()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/default/subscriptions/mail",
        "raw_path": b"/default/subscriptions/mail",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"accept", b"text/event-stream"), (b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> dict[str, Any]:
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def serve() -> None:
        await app(scope, receive, send)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        await clock.advance(1)
        assert b"data: " in b"".join(sent)
        refused = await Visitor(app).get("/default/", headers={"accept": "text/event-stream"})
        assert refused.status == 503
        before = len(sent)
        await router.pause("mail", "by <b>hand</b>")
        await clock.advance(4)
        assert b"by &lt;b&gt;hand" in b"".join(sent[before:])
        before = len(sent)
        for _ in range(20):
            await clock.advance(2)
        assert len(sent) > before
        over.set()
        await clock.advance(2)
    missing = await Visitor(app).get("/nobody/", headers={"accept": "text/event-stream"})
    assert missing.status == 404


# -- values ------------------------------------------------------------------------------------------------------------


INFO = BusInfo(
    name="b",
    settings=BusSettings(),
    created=0.0,
    bounds=Bounds(1, 1),
    events=0,
    size=0,
    oldest=None,
    newest=None,
    needed=1,
    held_by=None,
    subscriptions=0,
    remembered=0,
    dedup_window=None,
    lost=(),
    dead_letters=0,
    oldest_dead_letter=None,
    dead_letters_dropped=0,
)


@st.composite
def standings(draw: st.DrawFn) -> Standing:
    names = sorted(draw(st.sets(st.text("abcd", min_size=1, max_size=3), max_size=84)))
    some = st.lists(st.sampled_from(names), max_size=9, unique=True) if names else st.just([])
    paused, own, waiting, dead, broken = [set(draw(some)) for _ in range(5)]
    end, late = draw(st.sampled_from([(20, 0), (20, 10), (20, 20)]))
    members = {}
    for name in names:
        members[name] = Listed("why" if name in paused else None, None, 0)
        members[name].services = (Service(Span(name if name in own else LIVE, name, 0, None, None), None),)
    readers = [Reader("b", name, draw(st.integers(0, 20)), 20, None, subscription=name) for name in own]
    return Standing(
        evolve(INFO, bounds=Bounds(1, end)),
        MemoryStorage(),
        View(names, members, ()),
        now=0.0,
        late=late,
        readers=[Reader("b", LIVE, draw(st.integers(0, 20)), 20, None), *readers],
        waiting=[WaitingSummary(name, 3, 3, None, stuck=draw(st.integers(0, 1))) for name in waiting],
        dead=dict.fromkeys(dead, 2),
        broken=broken,
    )


@given(standings(), st.sampled_from(["", "a"]), st.sampled_from([*STATES]), st.sampled_from([*SORTS]))
def test_pages_of_a_list_together_are_all_that_fits_in_order(
    standing: Standing, query: str, state: str, sort: str
) -> None:
    wrong = all_troubles(standing)
    all_ = listed(standing, wrong, query=query, state=state, sort=sort)
    pages = [paged(all_, page + 1) for page in range(paged(all_, 1).pages)]
    assert [name for page in pages for name in page.rows] == all_
    assert all(len(page.rows) <= PAGE and page.total == len(all_) for page in pages)
    assert paged(all_, 99) == pages[-1]
    stats = {name: standing.brief(name) for name in standing.names}
    fits: dict[str, Callable[[SubscriptionStats], object]] = {
        "": lambda one: True,
        "trouble": troubles,
        "paused": lambda one: one.paused is not None,
        "lagging": lambda one: one.behind_seconds > 0,
    }
    assert sorted(all_) == [name for name, one in stats.items() if query in name and fits[state](one)]
    ranks: dict[str, Callable[[SubscriptionStats], int]] = {
        "trouble": lambda one: -sum(2 if each.level == "bad" else 1 for each in troubles(one)),
        "id": lambda one: 0,
        "behind": lambda one: -one.behind,
        "dead": lambda one: -one.dead_letters,
        "waiting": lambda one: -one.waiting,
    }
    order = [(ranks[sort](stats[name]), name) for name in all_]
    assert order == sorted(order)


@given(standings())
def test_all_that_are_not_remarkable_are_well(standing: Standing) -> None:
    stats = {name: standing.brief(name) for name in standing.names}
    assert {*all_troubles(standing)} == {name for name, one in stats.items() if troubles(one)}
    live, own = standing.own_lags(3)
    assert len(own) <= 3
    for name in standing.names:
        if name in own or standing.is_live(name):
            assert own.get(name, live) == stats[name].behind


def test_values_are_short_and_bounded() -> None:
    assert [duration(seconds) for seconds in (0, 0.5, 3, 90, 7_300, 200_000)] == [
        "0 s",
        "500 ms",
        "3 s",
        "1 min",
        "2 h",
        "2 d",
    ]
    assert (ago(None, 0), ago(5, 10), ago(10, 5)) == ("\N{EN DASH}", "5 s ago", "in 5 s")
    assert [size(count) for count in (5, 2_048, 1 << 42)] == ["5 B", "2.0 KiB", "4.0 TiB"]
    for length in (MAX_DATA, 9 * MAX_DATA):
        text, left_out = pretty({"a": "x" * length})
        assert len(text) == MAX_DATA
        assert left_out > 0
    hostile = b'{"specversion":"1.0","id":"a","source":"/s","type":"t","data":"\xff"}'
    assert '"data": "\N{REPLACEMENT CHARACTER}"' in pretty(Event.from_log(hostile))[0]
    assert points([0]) == "0.0,22.0"
    assert points([1, 2, 0]) == "0.0,12.0 60.0,2.0 120.0,22.0"
