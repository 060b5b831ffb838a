from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner

from eventroute.cli.commands import commands
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, DeadLetter, Forward, Wait, Waiting
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription


def invoke(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(commands, ["events", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/events.db"

    async def make() -> None:
        async with Router(open_storage(url), push=False) as router:
            for name, types in (("orders", ["order"]), ("others", ["other"]), ("held", [])):
                await router.subscribe(Subscription(id=name, sink="https://example.com/", types=types))
            await router.pause("held", "moving \x1b[2J house")
            one = Event.create(id="abc", type="order", source="/shop", subject="7")
            await router.publish(one, Event.create(id="77", type="none", source="/shop"))
            await router.publish(
                Event.create(
                    id="late", type="order", source="/shop", extensions={"deliverafter": "2999-01-01T00:00:00Z"}
                )
            )
            session = await router.storage.open_session(60)
            letter = DeadLetter("orders", 1, 0.0, "http-400", "bad \x1b[2J", 3, one.to_json(), Forward(9.0, 2, "down"))
            waiting = Waiting("others", 2, 60.0, attempts=2, reason="timeout")
            await router.storage.write(DEFAULT_BUS, session, [Bury(letter), Wait(waiting, held=False)])

    anyio.run(make)
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)


def test_an_event_is_traced_by_id_and_by_offset() -> None:
    by_id, by_offset = invoke("trace", "abc"), invoke("trace", "1")
    assert by_id == by_offset
    lines = by_id.splitlines()
    assert lines[0].startswith("offset 1 of bus default, appended 2")
    assert lines[1] == "  order abc from /shop"
    assert "  orders: dead-letter: it was given up, and its dead letter is kept" in lines
    assert "    given up at 1970-01-01T00:00:00Z: bad \N{REPLACEMENT CHARACTER}[2J" in lines
    assert "    to be handed over at 1970-01-01T00:00:09Z; tries so far: 2; the last one: down" in lines
    assert "    the subscription is paused: moving \N{REPLACEMENT CHARACTER}[2J house" in lines
    assert lines[-1] == "  does not match the filters of 1; show them with --all, or one with --subscription"
    assert '✗ {"exact":{"type":"other"}}' in invoke("trace", "1", "--all")
    assert "next attempt not before 1970-01-01T00:01:00Z" in invoke("trace", "2")


def test_subscriptions_are_shown_by_name_and_page_by_page() -> None:
    only = invoke("trace", "1", "--subscription", "ther")
    assert '✗ {"exact":{"type":"other"}}' in only
    assert "orders" not in only
    assert "does not match the filters" not in only
    assert invoke("trace", "1", "--subscription", "nobody").count("\n") == 2
    first = invoke("trace", "1", "--all", "--limit", "1")
    assert "  held: " in first
    assert "  orders: " not in first
    assert first.endswith("  and 2 more; go on with --after held, or show more at once with --limit\n")
    rest = invoke("trace", "1", "--all", "--after", "held")
    assert "  orders: " in rest
    assert "  others: " in rest
    assert "  held: " not in rest
    assert invoke("trace", "1", "--all", "--after", "i-went").count("\n  o") == 3  # the event, and two subscriptions


def test_a_number_may_be_an_id() -> None:
    assert "  none 77 from /shop" in invoke("trace", "77", "--id")
    assert "  none 77 from /shop" in invoke("trace", "77", "--source", "/shop")
    assert invoke("trace", "77", code=1) == "not found (events looked at: 0)\n"


def test_a_delayed_event_is_found() -> None:
    assert invoke("trace", "late").startswith("delayed until 2999-01-01T00:00:00Z: timer 1, in no log yet\n")


def test_a_search_that_stopped_says_where_to_go_on() -> None:
    assert "go on with --before 2" in invoke("trace", "abc", "--scan", "1", code=1)
    assert "  order abc" in invoke("trace", "abc", "--scan", "1", "--before", "2")
    assert "go on with --before 2" in invoke("find", "--limit", "1")


def test_the_trace_as_json() -> None:
    told = json.loads(invoke("trace", "abc", "--json"))
    (event,) = told["events"]
    assert event["states"] == {"unreached": 1, "dead-letter": 1, "not-matched": 1}
    assert {one["subscription"] for one in event["deliveries"]} == {"held", "orders"}
    (event,) = json.loads(invoke("trace", "abc", "--json", "--limit", "2", "--all"))["events"]
    assert event["more"] == 1
    (event,) = json.loads(invoke("trace", "abc", "--json", "--all"))["events"]
    assert (event["offset"], event["event"]["id"]) == (1, "abc")
    assert {one["subscription"]: one["state"] for one in event["deliveries"]} == {
        "held": "unreached",
        "orders": "dead-letter",
        "others": "not-matched",
    }
    assert event["deliveries"][1]["forward"]["tries"] == 2


def test_events_are_found_by_what_they_have() -> None:
    assert [one["offset"] for one in json.loads(invoke("find", "--json"))["events"]] == [2, 1]
    assert [one["offset"] for one in json.loads(invoke("find", "--json", "--filter", "subject = '7'"))["events"]] == [1]
    assert "abc" in invoke("find", "--type", "order", "--since", "2026-01-01T00:00:00Z")
    assert invoke("find", "--id", "nobody") == "no events\n"
    assert "none" in invoke("find", "--source", "/shop", "--id", "77")


def test_what_is_no_event_is_shown_as_such(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/junk.db"

    async def make() -> None:
        async with open_storage(url) as storage:
            await storage.append(DEFAULT_BUS, [b"junk"], append_id="1")

    anyio.run(make)
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)
    assert "(not an event)" in invoke("find")
    assert json.loads(invoke("find", "--json"))["events"][0]["event"] is None
    assert "the bus has no subscriptions" in invoke("trace", "1")


@pytest.mark.parametrize("command", ["find", "tail", "trace 1"])
def test_an_event_with_data_that_is_not_utf_8_is_told_as_json_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    url = f"sqlite:///{tmp_path}/hostile.db"

    async def make() -> None:
        async with open_storage(url) as storage:
            raw = b'{"specversion":"1.0","id":"a","source":"/s","type":"t","data":"\xff"}'
            await storage.append(DEFAULT_BUS, [raw], append_id="1")

    anyio.run(make)
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)
    assert r'"data":"\ufffd"' in invoke(*command.split(), "--json").replace(" ", "")
