"""What is sent as it is stored, held against the same event taken apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.push.delivery import Delivery
from eventroute.push.lane.sending import made_ready, message_of, message_ready
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.breaker import Circuit
from eventroute.push.route import Route, unchanged
from eventroute.push.sinks.base import Message, Sink, StoredMessage
from eventroute.push.stored import name_of

NOW = 1_790_000_000.0
PLAIN = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {"n": 1}}


class Silent:
    """Takes anything."""

    async def send(self, event: Event) -> Outcome:
        return Delivered()


texts = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2)
members = st.fixed_dictionaries(
    {},
    optional={
        "specversion": st.sampled_from(["1.0", "0.3", 1]),
        "id": texts | st.integers(0, 9),
        "source": texts | st.none(),
        "type": texts,
        "datacontenttype": st.sampled_from(["application/json", "a/b+json; charset=x", "text/plain", "x/y", None, 3]),
        "data": values,
        "data_base64": st.sampled_from(["AAA=", "?", None, 3]),
        "expirytime": st.sampled_from(["2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z", "soon", None, 3]),
        "extra": values,
    },
)
documents = (
    members.map(lambda given: json.dumps(given).encode())
    | members.map(lambda given: json.dumps({**PLAIN, **given}).encode())
    | st.binary(max_size=20)
    | st.sampled_from([b'{"id":"1"', b"[]", b"null", b"{}" * 2, b"[" * 100_000, b'{"id":"\xff"}'])
    | st.sampled_from([b'"x":"\xff"', b'"subject":"\xff"', b'"\xff":1', b'"x":' + b"9" * 5_000]).map(
        lambda hostile: json.dumps(PLAIN).encode()[:-1] + b",%b}" % hostile
    )
)


def route(transform: Callable[[Event], Event], sink: Sink | None) -> Route:
    return Route("s", "x:s", DeliveryPolicy(), sink, transform, None)


def told(delivery: Delivery, ready: Message | Outcome) -> dict[str, Any]:
    found: dict[str, Any] = {"attempts": delivery.attempts, "began": delivery.began, "first": delivery.first_attempt}
    if isinstance(ready, Message):
        return {**found, "key": ready.key, "document": ready.document, "event": ready.event, "was": ready.original}
    return {**found, "outcome": ready}


@given(documents, st.booleans())
@example(json.dumps(PLAIN).encode(), True)
@example(json.dumps({**PLAIN, "data_base64": "AAA="}).encode(), True)
@example(json.dumps({**PLAIN, "expirytime": "2001-01-01T00:00:00Z"}).encode(), True)
@example(json.dumps({**PLAIN, "datacontenttype": "text/plain"}).encode(), True)
def test_an_event_that_is_not_taken_apart_comes_to_the_same(document: bytes, reachable: bool) -> None:
    sink = Silent() if reachable else None
    one, other = Delivery("s", 7, document), Delivery("s", 7, document)
    ready = made_ready(other, route(lambda event: event, sink), Circuit(), NOW)
    apart = message_of(other, *ready[1:]) if isinstance(ready, tuple) else ready
    assert told(one, message_ready(one, route(unchanged, sink), Circuit(), NOW)) == told(other, apart)


def test_an_ordinary_event_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    document = json.dumps({**PLAIN, "partitionkey": "k", "time": "2026-11-23T12:00:00Z"}).encode()
    ready = message_ready(Delivery("s", 7, document), route(unchanged, Silent()), Circuit(), NOW)
    assert isinstance(ready, StoredMessage)
    monkeypatch.setattr(Event, "from_log", None)
    assert (ready.document, ready.key) == (document, "s/7//s 1")


def test_what_is_reshaped_is_sent_reshaped() -> None:
    document = json.dumps(PLAIN).encode()
    reshaping = route(lambda event: event.replace({"type": "u"}), Silent())
    ready = message_ready(Delivery("s", 7, document), reshaping, Circuit(), NOW)
    assert isinstance(ready, Message)
    assert (ready.event.type, ready.original.type) == ("u", "t")
    assert Event.from_json(ready.document) == ready.event


def test_what_is_no_event_is_rejected_and_where_no_sink_is_waits() -> None:
    rejected = message_ready(Delivery("s", 7, b"no JSON"), route(unchanged, Silent()), Circuit(), NOW)
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "invalid-event"
    document = json.dumps(PLAIN).encode()
    assert message_ready(Delivery("s", 7, document), route(unchanged, None), Circuit(), NOW) == RetryLater("no-sink")


@given(documents)
def test_what_has_a_name_is_read_without_complaint(document: bytes) -> None:
    name = name_of(document)
    if name is not None:
        event = Event.from_log(document)
        assert name == f"{event.source} {event.id}"
