from __future__ import annotations

import gc
from typing import Any

import msgspec
import pytest
from hypothesis import given

from eventroute.definitions import (
    Vocabulary,
    compile_subscription,
    definition_of,
    document_of,
    restore_subscription,
)
from eventroute.documents import subscription_document
from eventroute.errors import InvalidFilter, InvalidSubscription
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.push.sinks.callable import CallableSinks
from eventroute.push.sinks.http import HttpSinks
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.routing import Table
from eventroute.storage.base import Changes, Span, StoredSubscription
from eventroute.subscription import Subscription
from eventroute.tracing.roster import MANY
from tests.filters.test_stored import EXPR, SQL, texts

WORDS = Vocabulary()


async def unheard(_event: Event) -> None:
    """Nothing is sent."""


def subscription(*filters: Any) -> Subscription:
    return Subscription(id="s", sink="https://example.com/", source="/s", types=("t", "u"), filters=filters)


def compiled(*filters: Any) -> bytes:
    return definition_of(compile_subscription(subscription(*filters), WORDS))


@given(texts)
def test_a_definition_gives_the_subscription_and_its_filter(spec: Any) -> None:
    definition = compiled(spec)
    restored = restore_subscription(definition, WORDS)
    assert restored.subscription == subscription(spec)
    assert restored.filter == Filter.parse(subscription(spec).rules)
    assert definition_of(restored) == definition
    assert document_of(definition) == subscription(spec).to_dict()


def test_the_parsed_form_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    filters = (*EXPR, *({"sql": text} for text in SQL))
    definition = compiled(*filters)
    monkeypatch.setattr("eventroute.filters.stored.read", None)  # nothing is parsed
    assert restore_subscription(definition, WORDS).filter == Filter.parse(subscription(*filters).rules)


@pytest.mark.parametrize("parsed", [None, 5, [], {}, {"version": 0, "forms": [1]}, {"version": 1, "forms": [["is"]]}])
def test_a_definition_of_another_version_is_read_from_its_text(parsed: Any) -> None:
    document = msgspec.json.decode(compiled("data.a > 1"))
    for stored in ({**document, "parsed": parsed}, {name: document[name] for name in document if name != "parsed"}):
        restored = restore_subscription(msgspec.json.encode(stored), WORDS)
        assert restored.filter == Filter.parse(subscription("data.a > 1").rules)


def test_what_has_no_text_has_no_parsed_form() -> None:
    assert b"parsed" not in compiled({"exact": {"subject": "a"}})


def test_what_the_parser_made_is_nobodys_business() -> None:
    stored = StoredSubscription("s", "default", compiled("data.a > 1"), 1, None, "live")
    assert set(subscription_document(stored)) == {
        "id",
        "bus",
        "source",
        "types",
        "filters",
        "sink",
        "protocol",
        "status",
    }


def test_a_filter_that_is_refused_stays_refused() -> None:
    document = msgspec.json.decode(compiled("data.a > 1"))
    with pytest.raises(InvalidFilter):
        restore_subscription(msgspec.json.encode({**document, "filters": [{"unheard": 1}]}), WORDS)


def test_a_table_matches_by_what_is_stored() -> None:
    table = Table(SinkRegistry([HttpSinks()]), WORDS)
    stored = StoredSubscription("s", "default", compiled("data.a > 1"), 1, None, "live")
    spans = (Span("live", "s", 0, 5, compiled("data.a > 2")), Span("live", "s", 5, None, None))
    assert table.apply(Changes(1, True, (stored,), spans)) == []
    matcher = table.reader("live")
    for offset, a, expected in ((0, 2, []), (0, 3, ["s"]), (5, 2, ["s"]), (5, 1, [])):
        raw = Event.create(type="t", source="/s", data={"a": a}).to_json()
        assert matcher(offset, raw) == expected
        assert matcher.served(offset) == ["s"]


def test_the_sink_is_looked_for_when_its_route_is_asked_for_and_again_when_renewed() -> None:
    functions = CallableSinks()
    table = Table(SinkRegistry([functions]), WORDS)
    function = Subscription(id="s", sink=unheard)
    definition = definition_of(compile_subscription(function, WORDS))
    table.apply(Changes(1, True, (StoredSubscription("s", "default", definition, 1, None, "live"),), ()))
    before = table.route("s")
    assert before is not None
    assert before.held
    assert table.route("s") is before
    functions.hold(function.address, unheard)
    assert table.route("s") is before
    table.renew("s")
    after = table.route("s")
    assert after is not None
    assert not after.held
    assert table.route("t") is None
    assert list(table.policies()) == [after.policy]


def test_an_address_that_nothing_sends_to_is_a_fault_at_once() -> None:
    table = Table(SinkRegistry([HttpSinks()]), WORDS)
    for sink in ("fax:1", "https://a b/"):
        definition = definition_of(compile_subscription(Subscription(id="s", sink=sink), WORDS))
        stored = StoredSubscription("s", "default", definition, 1, None, "live")
        [(name, reason)] = table.apply(Changes(1, True, (stored,), (Span("live", "s", 0, None, None),)))
        assert name == "s"
        assert reason.startswith("invalid: sink: ")
        route = table.route("s")
        assert route is not None
        assert route.paused == reason
        assert list(table.policies()) == []
        assert not table.filters()
        assert table.reader("live")(0, Event.create(type="t", source="/s").to_json()) == ["s"]  # nothing is lost


def test_a_reader_that_serves_nothing_is_empty() -> None:
    table = Table(SinkRegistry([HttpSinks()]), WORDS)
    stored = StoredSubscription("s", "default", compiled("data.a > 1"), 1, None, "live")
    table.apply(Changes(1, True, (stored,), (Span("live", "s", 0, None, None), Span("own", "s", 0, 3, None))))
    assert not table.reader("live").empty
    assert not table.reader("own").empty
    table.apply(Changes(2, False, (stored,), (Span("live", "s", 0, None, None),)))
    assert not table.reader("live").empty
    assert table.reader("own").empty


@pytest.mark.parametrize("stored", [b"", b"no JSON", b"[]", b"\xff"])
def test_what_is_stored_and_is_no_definition_is_refused(stored: bytes) -> None:
    for read in (document_of, lambda definition: restore_subscription(definition, Vocabulary())):
        with pytest.raises(InvalidSubscription, match="what is stored of it is not"):
            read(stored)


@pytest.mark.parametrize("collects", [True, False])
def test_reading_many_leaves_the_collector_of_garbage_as_it_was(collects: bool) -> None:
    definition = definition_of(compile_subscription(subscription("type = 'a'"), WORDS))
    stored = tuple(StoredSubscription(f"s{number}", "default", definition, 1, None, "live") for number in range(MANY))
    table = Table(SinkRegistry([HttpSinks()]), WORDS)
    before = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        assert table.apply(Changes(1, True, stored, ())) == []
        assert gc.isenabled() is collects
    finally:
        gc.enable() if before else gc.disable()
    assert len(table.filters()) == MANY
