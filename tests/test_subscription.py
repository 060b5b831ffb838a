"""Subscriptions: checked when made, the same through their JSON form and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.subscription import Subscription

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,20}", fullmatch=True)
subscriptions = st.builds(
    Subscription,
    id=names,
    sink=st.sampled_from(["https://example.com/hook", "http://localhost:8080", "callable:x", "bus:audit"]),
    bus=names,
    start=st.sampled_from(["latest", "earliest", 0, 10**12])
    | st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    source=st.none() | st.just("/shop"),
    types=st.lists(st.sampled_from(["a", "b"]), max_size=2),
    filters=st.lists(st.sampled_from([{"exact": {"type": "t"}}, "type = 'x'"]), max_size=2),
    transformer=st.none() | st.just({"template": "x"}),
    policy=st.builds(DeliveryPolicy, timeout=st.sampled_from([30.0, 5]), method=st.sampled_from(["POST", "PUT"])),
)


@given(subscriptions)
def test_a_subscription_survives_its_json_form(subscription: Subscription) -> None:
    assert Subscription.from_dict(subscription.to_dict()) == subscription


async def sink(_event: Event) -> None:
    """Do nothing."""


def test_a_function_is_stored_by_the_id() -> None:
    subscription = Subscription(id="s", sink=sink)
    assert subscription.address == "callable:s"
    assert subscription.to_dict() == {"id": "s", "bus": "default", "sink": "callable:s"}


def test_the_json_form_is_that_of_the_subscriptions_api() -> None:
    subscription = Subscription(
        id="s",
        sink="https://example.com",
        source="/shop",
        types=["order"],
        filters=[{"prefix": {"subject": "a"}}],
        policy=DeliveryPolicy(max_attempts=3, headers={"x-from": "me"}),
    )
    assert subscription.to_dict() == {
        "id": "s",
        "bus": "default",
        "source": "/shop",
        "types": ["order"],
        "filters": [{"prefix": {"subject": "a"}}],
        "sink": "https://example.com",
        "protocol": "HTTP",
        "config": {"max_attempts": 3},
        "protocolsettings": {"headers": {"x-from": "me"}},
    }


def test_source_and_types_are_rules_beside_the_filters() -> None:
    given = {"id": "s", "sink": "https://example.com", "filters": [{"exact": {"subject": "x"}}]}
    one = Subscription.from_dict({**given, "source": "/shop", "types": ["a"]})
    assert one.rules == [{"exact": {"subject": "x"}}, {"exact": {"source": "/shop"}}, {"exact": {"type": "a"}}]
    two = Subscription.from_dict({**given, "types": ["a", "b"]})
    assert two.rules[1] == {"any": [{"exact": {"type": "a"}}, {"exact": {"type": "b"}}]}
    assert Subscription(id="s", sink=sink).rules == []


def test_a_start_time_may_be_text_in_json() -> None:
    document = {"id": "s", "sink": "https://example.com", "start": "2026-01-02T03:04:05Z"}
    assert Subscription.from_dict(document).start == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"id": ""}, "id: '' is not a name"),
        ({"id": "a/b"}, "id: 'a/b' is not a name"),
        ({"id": "x" * 129}, "is not a name: 1 to 128"),
        ({"bus": 5}, "bus: 5 is not a name"),
        ({"start": "soon"}, "start: 'soon' is none of 'latest', 'earliest'"),
        ({"start": -1}, "start: -1 is none of"),
        ({"start": True}, "start: True is none of"),
        ({"source": ""}, "source: '' is not a non-empty text"),
        ({"types": "order"}, "types: 'order' is not a list"),
        ({"types": [""]}, "types[0]: '' is not a non-empty text"),
        ({"filters": {"exact": {"type": "t"}}}, "filters: {'exact': {'type': 't'}} is not a list"),
        ({"filters": [5]}, "filters[0]: 5 is neither an object nor an expression"),
        ({"transformer": "x"}, "transformer: 'x' is not an object"),
        ({"sink": "example.com"}, "sink: 'example.com' is not a URL"),
        ({"sink": 5}, "sink: 5 is not a URL"),
        ({"protocol": "MQTT"}, "protocol: 'MQTT': only 'HTTP' may be named"),
        ({"filter": []}, "filter: there is no such key; did you mean 'filters'?"),
        ({"colour": "red"}, "colour: there is no such key; known: id, bus"),
        ({"config": {"retries": 1}}, "config.retries: there is no such setting"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        Subscription.from_dict({"id": "s", "sink": "https://example.com", **changed})
    assert message in str(refused.value)


@pytest.mark.parametrize("key", ["id", "sink"])
def test_what_must_be_there_is_asked_for(key: str) -> None:
    document = {"id": "s", "sink": "https://example.com"}
    del document[key]
    with pytest.raises(InvalidSubscription, match=f"{key}: is missing"):
        Subscription.from_dict(document)


def test_values_that_json_cannot_have_are_refused_too() -> None:
    with pytest.raises(InvalidSubscription, match="start: a time needs its time zone"):
        Subscription(id="s", sink=sink, start=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidSubscription, match="sink: 5 is neither a URL nor an async function"):
        Subscription(id="s", sink=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidSubscription, match=r"policy: \{\} is not a DeliveryPolicy"):
        Subscription(id="s", sink=sink, policy={})  # type: ignore[arg-type]
