"""The operator's page in a browser: what an operator does, clicked through."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest
from playwright.sync_api import Browser, expect

from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.base import DEFAULT_BUS, Bury, Complete, DeadLetter, Entry, Trip, Wait, Waiting
from eventroute.storage.open import open_storage
from eventroute.storage.values import BreakerState
from eventroute.subscription import Subscription
from tests.web.conftest import Opens, accessible, picture

HOSTILE = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"


async def _fill(url: str) -> None:
    async with Router(open_storage(url), push=False) as router:
        for name in ("billing", "mail", "warehouse"):
            await router.subscribe(Subscription(id=name, sink="https://example.com/hook"))
        await router.subscribe(Subscription(id="refunds", sink="https://example.com/hook", types=["refund"]))
        event = Event.create(id="ord-1", type="order", source="/shop", subject=HOSTILE, data={"note": HOSTILE})
        await router.publish(event, Event.create(id="ord-2", type="order", source="/shop"))
        session = await router.storage.open_session(5)
        claim = await router.storage.claim(DEFAULT_BUS, "live", session, limit=9)
        assert claim is not None
        now = time.time()
        entries: list[Entry] = [
            Complete(claim),
            *(Bury(DeadLetter("billing", n, now, "http-400", HOSTILE, 3, event.to_json())) for n in (1, 2)),
            Wait(Waiting("warehouse", 2, now + 60, attempts=2, reason="http-503"), held=False),
            Trip(BreakerState("warehouse", 1, opened=now - 60, trips=1, probe=now + 60)),
        ]
        await router.storage.write(DEFAULT_BUS, session, entries)


@pytest.fixture
def page_url(browser: Browser, tmp_path: Path) -> Iterator[str]:
    url = f"sqlite:///{tmp_path}/events.db"
    with ThreadPoolExecutor(1) as thread:  # the browser has an event loop here
        thread.submit(anyio.run, _fill, url).result()
    command = [sys.executable, "-m", "eventroute", "console", url, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        try:
            yield found[0].rstrip("/")
        finally:
            process.terminate()


def test_an_operator_finds_what_is_wrong_and_mends_it(page_url: str, opened: Opens) -> None:
    page = opened(page_url + "/")
    page.get_by_text("Subscriptions in trouble: 2").wait_for()
    page.get_by_role("link", name="warehouse").first.click()
    page.get_by_text("sink is down").wait_for()
    page.get_by_label("Why").fill("moving house")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("paused: moving house").wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_label("Replay from").fill("earliest")
    page.get_by_label("to before").fill("3")
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("progressbar").wait_for()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("the replay was cancelled").wait_for()

    page.get_by_role("link", name="Dead letters", exact=True).click()
    page.get_by_role("link", name="Redrive…").click()
    page.get_by_role("button", name="Redrive 2").click()
    page.get_by_text("redriven: 2").wait_for()
    page.get_by_text("0 in all").wait_for()

    page.get_by_role("link", name="Events", exact=True).click()
    page.get_by_label("Id", exact=True).fill("ord-1")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="1", exact=True).click()
    page.get_by_text("Where it went").wait_for()
    assert page.title().startswith("Event at offset 1")

    page.goto(page_url + "/default/subscriptions/mail/-/delete")
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("removed: mail").wait_for()


def test_a_page_is_up_to_date_without_being_loaded_again(page_url: str, opened: Opens) -> None:
    watching = opened(page_url + "/default/")
    watching.get_by_text("live", exact=True).wait_for()
    acting = opened(page_url + "/default/subscriptions/mail")
    acting.get_by_label("Why").fill(HOSTILE[:40])
    acting.get_by_role("button", name="Pause").click()
    watching.get_by_text("paused: <script>").wait_for()


PATHS = [
    "/",
    "/default/",
    "/default/subscriptions/warehouse",
    "/default/events",
    "/default/events/1",
    "/default/events/1?state=any",
    "/default/deadletters",
    "/default/deadletters/purge?subscription=billing",
    "/default/subscriptions/mail/-/delete",
]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_can_be_used_by_all_and_obeys_no_event(
    page_url: str, opened: Opens, scheme: str, width: int
) -> None:
    page = opened(page_url + "/", scheme=scheme, width=width)
    for path in PATHS:
        page.goto(page_url + path)
        page.get_by_text("live", exact=True).wait_for()
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert "taken" not in page.title()
        picture(page, f"operator-{PATHS.index(path)}-{scheme}-{width}")


def test_dead_letters_are_purged_one_by_one_and_by_reason_after_a_question(page_url: str, opened: Opens) -> None:
    page = opened(page_url + "/default/events/1")
    page.get_by_role("link", name="Purge…").click()
    page.get_by_role("button", name="Purge 1").wait_for()
    page.get_by_role("link", name="Leave them").click()  # nothing is done before the question is answered
    page.get_by_text("2 in all").wait_for()

    page.goto(page_url + "/default/events/1")
    page.get_by_role("link", name="Purge…").click()
    page.get_by_role("button", name="Purge 1").click()
    page.get_by_text("purged: 1").wait_for()
    page.get_by_text("1 in all").wait_for()
    page.goto(page_url + "/default/events/1")
    page.get_by_text("Where it went").wait_for()
    expect(page.get_by_role("link", name="Purge…")).to_have_count(0)

    page.get_by_role("link", name="Dead letters", exact=True).click()
    other = opened(page_url + "/default/deadletters")
    page.get_by_role("link", name="Purge…", exact=True).click()
    page.get_by_role("button", name="Purge 1").wait_for()
    other.get_by_role("link", name="Purge all…").click()
    other.get_by_role("button", name="Purge 1").click()
    other.get_by_text("purged: 1").wait_for()
    expect(page.get_by_role("button", name="Purge 0")).to_be_disabled()  # the question knows that another was faster
    page.get_by_role("link", name="Leave them").click()
    page.get_by_text("There are none.").wait_for()
    page.get_by_role("link", name="Buses", exact=True).first.click()
    page.get_by_text("Subscriptions in trouble: 1").wait_for()


def test_why_an_event_did_not_come_is_found_by_the_name_of_the_subscription(page_url: str, opened: Opens) -> None:
    page = opened(page_url + "/default/events/1")
    page.get_by_text("Where it went").wait_for()
    expect(page.get_by_role("link", name="refunds", exact=True)).to_have_count(0)
    page.get_by_text("The filters of 1 do not match.").wait_for()
    page.get_by_label("Subscription's id contains").fill("refund")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="refunds", exact=True).wait_for()
    page.get_by_text("Why it does not match").wait_for()
    page.get_by_text("type is 'order'").wait_for()
    expect(page.get_by_role("link", name="billing", exact=True)).to_have_count(0)
    page.get_by_label("Subscription's id contains").fill("")
    page.get_by_label("Which").select_option("not-matched")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="refunds", exact=True).wait_for()
    page.get_by_text("1 fit; page 1 of 1").wait_for()
    accessible(page)
