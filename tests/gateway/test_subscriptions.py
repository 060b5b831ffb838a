from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from eventroute.errors import StorageError, Unauthorized
from eventroute.event import Event
from eventroute.gateway.authorize import AccessRequest, Bearer, credentials
from eventroute.gateway.limits import RequestLimits
from eventroute.gateway.subscriptions import SubscriptionsApi
from eventroute.router import Router
from eventroute.secrets import Secret
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.gateway.asgi import Answer, call
from tests.gateway.test_app import refusal

pytestmark = pytest.mark.anyio

SINK = "https://example.com/hook"
WANTED = {"sink": SINK, "protocol": "HTTP", "filters": [{"exact": {"type": "order.paid"}}]}


@pytest.fixture
async def router() -> AsyncIterator[Router]:
    async with Router(MemoryStorage(), push=False) as router:
        await router.create_bus("audit")
        yield router


async def ask(app: SubscriptionsApi, method: str, path: str, body: object = None, **more: Any) -> Answer:
    sent = b"" if body is None else json.dumps(body).encode()
    return await call(app, method, path, more.pop("headers", ()), sent, **more)


@pytest.mark.parametrize("value", ["[]", "{}", "[[]]", "1", "true", "null", "1e999999999", "9" * 400, '"x"'])
@pytest.mark.parametrize("place", ["mode", "when_stuck", "method", "outcomes.404"])
async def test_a_setting_of_another_kind_is_refused(router: Router, place: str, value: str) -> None:
    setting: Any = "@"
    for name in reversed(place.split(".")):
        setting = {name: setting}
    part = "protocolsettings" if place == "method" else "config"
    text = json.dumps({**WANTED, part: setting}).replace('"@"', value)
    answer = await call(SubscriptionsApi(router), "PUT", "/subscriptions/a", (), text.encode())
    assert answer.status == 400
    assert answer.json["where"]


async def test_a_place_that_no_log_has_is_refused_or_is_the_nearest(tmp_path: Path) -> None:
    async with Router(open_storage(f"sqlite:///{tmp_path / 'events.db'}"), push=False) as router:
        api = SubscriptionsApi(router)
        for number, place in enumerate(["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", (1 << 63) - 1]):
            for again in (201, 200):
                answer = await ask(api, "PUT", f"/subscriptions/s{number}", {**WANTED, "start": place})
                assert answer.status == again
        for number in (1 << 63, 10**30, -1):
            for method, path, body in (
                ("PUT", "/subscriptions/a", {**WANTED, "start": number}),
                ("POST", "/subscriptions/s0/replays", {"start": number}),
                ("POST", "/subscriptions/s0/replays", {"end": number}),
            ):
                answer = await ask(api, method, path, body)
                assert (answer.status, answer.json["where"]) == (400, "end" if "end" in body else "start")


@pytest.mark.parametrize("depth", [200, 500, 900, 5_000, 100_000])
async def test_a_body_that_nests_too_deep_is_refused(router: Router, depth: int) -> None:
    api = SubscriptionsApi(router)
    await ask(api, "PUT", "/subscriptions/a", WANTED)
    for name, path in (("config", "/a"), ("start", "/a"), ("reason", "/a/pause"), ("start", "/a/replays")):
        method = "PUT" if path == "/a" else "POST"
        for text in (f'{{"{name}":{"[" * depth}{"]" * depth}}}', f'{{"{name}":{"[" * depth}'):
            answer = await call(api, method, f"/subscriptions{path}", (), text.encode())
            assert answer.status == 400
            assert len(answer.body) < 1_000


async def test_a_subscription_is_made_under_an_id_of_the_managers(router: Router) -> None:
    answer = await ask(SubscriptionsApi(router), "POST", "/subscriptions", {**WANTED, "id": "mine"})
    assert answer.status == 201
    made = answer.json
    assert made["id"] != "mine"
    assert made == {
        **WANTED,
        "id": made["id"],
        "bus": "default",
        "status": {"revision": 1, "reader": "live"},
    }
    place = urlsplit(answer.headers["location"])
    again = await ask(SubscriptionsApi(router), "GET", f"{place.path}?{place.query}")
    assert (again.status, again.json) == (200, made)


async def test_it_is_in_force_for_what_is_published_from_then_on() -> None:
    received: list[str] = []

    async def sink(event: Event) -> None:
        received.append(event.id)

    async with Router(MemoryStorage()) as router:
        await router.subscribe(Subscription(id="s", sink=sink))
        api = SubscriptionsApi(router, schemes=["callable"])
        changed = {"sink": "callable:s", "types": ["order.paid"]}
        assert (await ask(api, "PUT", "/subscriptions/s", changed)).json["status"]["revision"] == 2
        for number, kind in enumerate(["order.paid", "order.made"]):
            await router.publish(Event.create(id=str(number), type=kind, source="/s"))
        await router.idle()
        assert (await ask(api, "DELETE", "/subscriptions/s")).status == 200
        await router.publish(Event.create(type="order.paid", source="/s"))
        await router.idle()
    assert received == ["0"]


async def test_put_makes_and_changes(router: Router) -> None:
    api = SubscriptionsApi(router)
    answer = await ask(api, "PUT", "/subscriptions/mine?bus=audit", WANTED, root_path="/manage")
    assert answer.status == 201
    assert answer.headers["location"] == "http://testserver/manage/subscriptions/mine?bus=audit"
    # What was read may be sent back, its status included.
    again = await ask(api, "PUT", "/subscriptions/mine?bus=audit", answer.json)
    assert (again.status, again.json) == (200, answer.json)
    changed = await ask(api, "PUT", "/subscriptions/mine?bus=audit", {"sink": SINK})
    assert changed.json == {
        "id": "mine",
        "bus": "audit",
        "sink": SINK,
        "protocol": "HTTP",
        "status": {"revision": 2, "reader": "live"},
    }


async def test_one_that_starts_early_has_a_reader_of_its_own(router: Router) -> None:
    made = (await ask(SubscriptionsApi(router), "PUT", "/subscriptions/s", {"sink": SINK, "start": "earliest"})).json
    assert made["status"]["reader"] != "live"
    assert "start" not in made


async def test_deleting_gives_what_was(router: Router) -> None:
    api = SubscriptionsApi(router)
    made = (await ask(api, "PUT", "/subscriptions/s", WANTED)).json
    assert (await ask(api, "DELETE", "/subscriptions/s")).json == made
    refusal(await ask(api, "GET", "/subscriptions/s"), 404)
    refusal(await ask(api, "DELETE", "/subscriptions/s"), 404)
    assert (await ask(api, "GET", "/subscriptions")).json == []


async def test_a_list_comes_in_pages(router: Router) -> None:
    api = SubscriptionsApi(router)
    names = [f"s{number}" for number in range(5)]
    for name in reversed(names):
        await ask(api, "PUT", f"/subscriptions/{name}", WANTED)
    assert [one["id"] for one in (await ask(api, "GET", "/subscriptions")).json] == names
    found: list[str] = []
    path = "/subscriptions?limit=2"
    while path:
        answer = await ask(api, "GET", path)
        assert len(answer.json) <= 2
        found += [one["id"] for one in answer.json]
        link = answer.headers.get("link", "")
        path = link.removeprefix("<http://testserver").removesuffix('>; rel="next"')
    assert found == names
    for limit in ("0", "1001", "-1", "many", "", "9" * 30):
        refusal(await ask(api, "GET", f"/subscriptions?limit={limit}"), 400)


async def test_a_subscription_of_another_bus_is_not_there(router: Router) -> None:
    api = SubscriptionsApi(router)
    await ask(api, "PUT", "/subscriptions/s?bus=audit", WANTED)
    for method in ("GET", "DELETE"):
        refusal(await ask(api, method, "/subscriptions/s"), 404)
    for action in ("pause", "resume", "replays"):
        refusal(await ask(api, "POST", f"/subscriptions/s/{action}"), 404)
    refusal(await ask(api, "DELETE", "/subscriptions/s/replays/one"), 404)
    refusal(await ask(api, "PUT", "/subscriptions/s", WANTED), 409)
    assert (await ask(api, "GET", "/subscriptions")).json == []
    assert [one["id"] for one in (await ask(api, "GET", "/subscriptions?bus=audit")).json] == ["s"]


async def test_only_buses_that_are_there_and_served(router: Router) -> None:
    for path in ("/subscriptions?bus=nowhere", "/subscriptions?bus="):
        refusal(await ask(SubscriptionsApi(router), "GET", path), 404)
    only = SubscriptionsApi(router, buses=["audit"])
    refusal(await ask(only, "GET", "/subscriptions"), 404)
    assert (await ask(only, "GET", "/subscriptions?bus=audit")).status == 200


async def test_pausing_and_resuming() -> None:
    clock = VirtualClock()
    async with Router(MemoryStorage(clock), push=False, clock=clock) as router:
        api = SubscriptionsApi(router, clock=clock)
        await ask(api, "PUT", "/subscriptions/s", WANTED)
        paused = await ask(api, "POST", "/subscriptions/s/pause", {"reason": "moving house"})
        assert paused.status == 200
        status = paused.json["status"]
        assert (status["paused"], status["revision"]) == ("moving house", 1)
        assert status["pausedat"].endswith("Z")
        assert (await ask(api, "POST", "/subscriptions/s/pause")).json["status"]["paused"] == "paused"
        assert "paused" not in (await ask(api, "POST", "/subscriptions/s/resume")).json["status"]
        for body in ({"reason": 7}, {"reason": ""}, {"reason": "x" * 201}, {"why": "x"}):
            assert refusal(await ask(api, "POST", "/subscriptions/s/pause", body), 400)["where"] == "reason"


async def test_a_part_of_the_log_is_replayed_and_a_replay_is_cancelled(router: Router) -> None:
    api, path = SubscriptionsApi(router), "/subscriptions/s/replays"
    await router.publish(*[Event.create(type="t", source="/s") for _ in range(6)])
    await ask(api, "PUT", "/subscriptions/s", {"sink": SINK})
    begun = await ask(api, "POST", path, {"start": 2, "end": 5})
    assert begun.status == 201
    name = begun.json["name"]
    assert begun.json == {"name": name, "start": 2, "position": 2, "end": 5}
    assert (await ask(api, "GET", path)).json == [begun.json]
    whole = (await ask(api, "POST", path)).json
    assert (whole["start"], whole["end"]) == (1, 7)
    future = (await ask(api, "POST", path, {"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"})).json
    assert (future["start"], future["end"]) == (1, 7)
    known = (await ask(api, "GET", "/openapi.json")).json["components"]["schemas"]["Replay"]["properties"]
    assert set(known) == set(begun.json)

    ended = await ask(api, "DELETE", f"{path}/{name}")
    assert (ended.status, ended.json) == (200, begun.json)
    refusal(await ask(api, "DELETE", f"{path}/{name}"), 404)
    assert len((await ask(api, "GET", path)).json) == 2


async def test_a_replay_that_cannot_be_is_refused(router: Router) -> None:
    api, path = SubscriptionsApi(router), "/subscriptions/s/replays"
    await router.publish(*[Event.create(type="t", source="/s") for _ in range(6)])
    await ask(api, "PUT", "/subscriptions/s", {"sink": SINK})
    for body, where in (
        ({"start": "latest"}, "start"),
        ({"start": "soon"}, "start"),
        ({"start": -1}, "start"),
        ({"start": [1]}, "start"),
        ({"end": "earliest"}, "end"),
        ({"end": True}, "end"),
        ({"from": 1}, "from"),
    ):
        assert refusal(await ask(api, "POST", path, body), 400)["where"] == where
    await router.storage.trim("default", 4, limit=9)
    assert "4" in refusal(await ask(api, "POST", path, {"start": 2}), 409)["detail"]
    assert "4" in refusal(await ask(api, "PUT", "/subscriptions/late", {**WANTED, "start": 2}), 409)["detail"]
    for _ in range(10):
        await ask(api, "POST", path)
    assert "10 replays" in refusal(await ask(api, "POST", path), 409)["detail"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "sink"),
        ({"sink": 7}, "sink"),
        ({"sink": "callable:s"}, "sink"),
        ({"sink": "bus:audit"}, "sink"),
        ({"sink": "file:///etc/passwd"}, "sink"),
        ({"sink": SINK, "protocol": "MQTT5"}, "protocol"),
        ({"sink": SINK, "colour": "red"}, "colour"),
        ({"sink": SINK, "bus": "audit"}, "bus"),
        ({"sink": SINK, "id": "other"}, "id"),
        ({"sink": SINK, "filters": [{"exakt": {"type": "t"}}]}, "filters[0]"),
        ({"sink": SINK, "types": ["t"], "filters": ["type = 'a' ANDD x"]}, "filters[0].expr line 1, column 12"),
        ({"sink": SINK, "transformer": {"template": "${no}"}}, "transformer.template"),
        ({"sink": SINK, "config": {"timeout": -1}}, "config.timeout"),
        ([], ""),
        ("text", ""),
    ],
)
async def test_what_cannot_be_is_refused_with_its_place(router: Router, body: object, where: str) -> None:
    api = SubscriptionsApi(router)
    document = refusal(await ask(api, "PUT", "/subscriptions/s", body), 400)
    assert where in document.get("where", "")
    assert await router.subscriptions() == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"sink": NaN}', b"[" * 100_000])
async def test_a_body_that_is_no_json_is_refused(router: Router, body: bytes) -> None:
    refusal(await call(SubscriptionsApi(router), "PUT", "/subscriptions/s", (), body), 400)


async def test_a_body_is_bounded(router: Router) -> None:
    api = SubscriptionsApi(router, limits=RequestLimits(max_body=100))
    refusal(await ask(api, "POST", "/subscriptions", {**WANTED, "types": ["x" * 100]}), 413)


async def test_the_hook_is_asked_first_and_told_what_it_is_about(router: Router) -> None:
    asked: list[AccessRequest] = []

    async def authorize(request: AccessRequest) -> None:
        asked.append(request)
        raise Unauthorized("no", forbidden=True)

    api = SubscriptionsApi(router, authorize=authorize)
    for method, path in (
        ("GET", "/subscriptions"),
        ("POST", "/subscriptions"),
        *((method, "/subscriptions/s?bus=nowhere") for method in ("GET", "PUT", "DELETE")),
        *(("POST", f"/subscriptions/s/{action}") for action in ("pause", "resume", "replays")),
        ("DELETE", "/subscriptions/s/replays/one"),
    ):
        answer = await ask(api, method, path)
        refusal(answer, 403)
        assert answer.received == 0
    assert {(one.bus, one.action, one.client) for one in asked} == {
        ("default", "manage", "192.0.2.7"),
        ("nowhere", "manage", "192.0.2.7"),
    }


async def test_a_publishers_credential_does_not_manage(router: Router) -> None:
    hook = credentials({"default": [Bearer(Secret("publisher"))]}, managers={"default": [Bearer(Secret("manager"))]})
    api = SubscriptionsApi(router, authorize=hook)
    refused = await ask(api, "GET", "/subscriptions", headers=[("authorization", "Bearer publisher")])
    refusal(refused, 401)
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert (await ask(api, "GET", "/subscriptions", headers=[("authorization", "Bearer manager")])).status == 200


async def test_a_storage_that_fails_says_nothing_of_itself(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_bus: str | None = None) -> None:
        raise StorageError("/var/lib/secret-place: broken")

    monkeypatch.setattr(router, "subscriptions", fail)
    answer = await ask(SubscriptionsApi(router), "GET", "/subscriptions")
    assert answer.headers["retry-after"] == "5"
    assert "secret-place" not in json.dumps(refusal(answer, 503))


async def test_what_can_be_done_is_told(router: Router) -> None:
    api = SubscriptionsApi(router)
    assert (await ask(api, "OPTIONS", "/subscriptions")).headers["allow"] == "GET, POST, OPTIONS"
    assert (await ask(api, "OPTIONS", "/subscriptions/s")).headers["allow"] == "GET, PUT, DELETE, OPTIONS"
    refusal(await ask(api, "PATCH", "/subscriptions/s"), 405)
    refusal(await ask(api, "GET", "/nothing"), 404)


async def test_the_description_names_every_route(router: Router) -> None:
    api = SubscriptionsApi(router)
    mounted = Starlette(routes=[Mount("/-/manage", api)])
    description = (await call(mounted, "GET", "/-/manage/openapi.json")).json
    assert description["servers"] == [{"url": "http://testserver/-/manage"}]
    routes = {
        (route.path, method.lower())
        for route in api._app.routes
        if isinstance(route, Route)
        for method in route.methods or ()
        if route.path != "/openapi.json" and method != "HEAD"
    }
    described = {
        (path, method) for path, methods in description["paths"].items() for method in methods if method != "parameters"
    }
    assert described == routes
    known = description["components"]["schemas"]["Subscription"]["properties"]
    made = (await ask(api, "PUT", "/subscriptions/s", {**WANTED, "config": {"timeout": 3}})).json
    assert set(made) <= set(known)
    assert set(made["status"]) <= set(known["status"]["properties"])


@given(body=st.binary(max_size=60))
async def test_no_body_breaks_it(body: bytes) -> None:
    async with Router(MemoryStorage(), push=False) as router:
        answer = await call(SubscriptionsApi(router), "POST", "/subscriptions", (), body)
        assert answer.status in (201, 400)


async def test_answers_go_to_no_bus_that_the_client_may_not_manage(router: Router) -> None:
    tokens = {"default": [Bearer(Secret("one"))], "audit": [Bearer(Secret("one")), Bearer(Secret("two"))]}
    api = SubscriptionsApi(router, authorize=credentials({}, managers=tokens))
    two = [("authorization", "Bearer two")]
    for bus, status in (("default", 401), ("audit", 201), ("elsewhere", 401)):
        wanted = {"sink": SINK, "config": {"reply": {"bus": bus}}}
        assert (await ask(api, "POST", "/subscriptions?bus=audit", wanted, headers=two)).status == status
    assert len(await router.subscriptions()) == 1


async def test_answers_go_to_no_bus_that_is_not_served(router: Router) -> None:
    api = SubscriptionsApi(router, buses=["default"])
    refusal(await ask(api, "POST", "/subscriptions", {"sink": SINK, "config": {"reply": {"bus": "audit"}}}), 400)


async def test_numbers_in_filters_keep_their_digits(router: Router) -> None:
    number = b"0.12345678901234567890123"
    wanted = (
        b'{"sink": "https://example.com/", "filters": [{"pattern": {"data": {"x": [%b, {"numeric": ["<", 1e400]}]}}}]}'
    )
    api = SubscriptionsApi(router)
    for _ in range(2):  # made, then changed to the same
        answer = await call(api, "PUT", "/subscriptions/s", (), wanted % number)
        assert number in answer.body
        assert b"1e400" in answer.body
        assert answer.json["status"]["revision"] == 1
    event = Event.create(type="t", source="/s", data={"x": 0})
    near = event.to_json().replace(b'"x":0', b'"x":0.12345678901234567890124')
    same = event.to_json().replace(b'"x":0', b'"x":' + number)
    pattern = (wanted % number).replace(b'{"numeric": ["<", 1e400]}', b'"y"')
    await call(api, "PUT", "/subscriptions/s", (), pattern)
    assert (await router.explain(Event.from_json(same)))["s"].matched
    assert not (await router.explain(Event.from_json(near)))["s"].matched
