"""Delivery policies: checked when made, the same through their JSON form and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.backoff import Backoff
from eventroute.push.breaker import Breaker
from eventroute.push.outcome import DEFAULT_OUTCOMES
from eventroute.push.policy import DeliveryPolicy

policies = st.builds(
    DeliveryPolicy,
    mode=st.sampled_from(["binary", "structured"]),
    method=st.sampled_from(["POST", "PUT", "PATCH"]),
    headers=st.dictionaries(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), st.text("abc 1;=", min_size=1), max_size=3),
    timeout=st.floats(min_value=0.001, max_value=3_600),
    backoff=st.builds(Backoff, st.floats(min_value=0.1, max_value=10), st.floats(min_value=10, max_value=1e6)),
    max_attempts=st.none() | st.integers(min_value=1, max_value=1_000_000),
    max_age=st.floats(min_value=0, max_value=31_536_000),
    concurrency=st.integers(min_value=1, max_value=1_024),
    max_waiting=st.integers(min_value=1, max_value=100_000),
    breaker=st.none() | st.builds(Breaker, st.integers(min_value=1, max_value=99), st.builds(Backoff)),
    outcomes=st.sampled_from([DEFAULT_OUTCOMES, DEFAULT_OUTCOMES.changed({"404": "reject"})]),
)


@given(policies)
def test_a_policy_survives_its_json_form(policy: DeliveryPolicy) -> None:
    assert DeliveryPolicy.from_dict(*policy.to_dict()) == policy


def test_the_json_form_says_only_what_differs() -> None:
    assert DeliveryPolicy().to_dict() == ({}, {})
    assert DeliveryPolicy(timeout=5, method="PUT").to_dict() == ({"timeout": 5}, {"method": "PUT"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "batched"}, "policy.mode: 'batched' is none of binary, structured"),
        ({"method": "GET"}, "policy.method: 'GET' is none of PATCH, POST, PUT"),
        ({"timeout": 0}, "policy.timeout: 0 is not a number from 0.001 to 3600"),
        ({"timeout": "5"}, "policy.timeout: '5' is not a number"),
        ({"timeout": float("nan")}, "policy.timeout: nan is not a number"),
        ({"max_attempts": 0}, "policy.max_attempts: 0 is not a whole number from 1"),
        ({"max_attempts": True}, "policy.max_attempts: True is not a whole number"),
        ({"concurrency": 1.5}, "policy.concurrency: 1.5 is not a whole number"),
        ({"headers": {"bad name": "x"}}, "policy.headers.bad name: is not a header name"),
        ({"headers": {"Content-Type": "x"}}, "policy.headers.Content-Type: this header is set by eventroute"),
        ({"headers": {"ce-id": "x"}}, "policy.headers.ce-id: this header is set by eventroute"),
        ({"headers": {"x": "a\r\nb: c"}}, "policy.headers.x: a header's value is printable ASCII text"),
        ({"backoff": 5}, "policy.backoff: 5 is not a Backoff"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        DeliveryPolicy(**values)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        ({"retries": 3}, {}, "config.retries: there is no such setting; known: backoff"),
        ({}, {"verb": "PUT"}, "protocolsettings.verb: there is no such setting; known: headers, method"),
        ({"backoff": {"base": 1}}, {}, "config.backoff.base: there is no such setting; known: first, limit"),
        ({"backoff": {"first": "1"}}, {}, "config.backoff.first: '1' is not a number of seconds"),
        ({"outcomes": {"404": "ignore"}}, {}, "config.outcomes.404: 'ignore' is none of"),
        ({"outcomes": []}, {}, "config.outcomes: [] is not an object"),
        ({"breaker": 5}, {}, "config.breaker: 5 is not an object"),
        ({"breaker": {"limit": 5}}, {}, "config.breaker.limit: there is no such setting; known: delay, failures"),
        ({"breaker": {"delay": {"first": "x"}}}, {}, "config.breaker.delay.first: 'x' is not a number of seconds"),
        ({"backoff": {"first": 0}}, {}, "config.backoff.first: 0 is not a number of seconds above 0"),
        ({"breaker": {"delay": {"limit": -1}}}, {}, "config.breaker.delay.limit: -1 is not a number of seconds"),
        ({"breaker": {"failures": 0}}, {}, "config.breaker.failures: 0 is not a whole number"),
        ({"timeout": 0}, {}, "config.timeout: 0 is not a number from 0.001"),
        ({}, {"method": "GET"}, "protocolsettings.method: 'GET' is none of"),
        ({}, {"headers": {"host": "x"}}, "protocolsettings.headers.host: this header is set by eventroute"),
        ([], {}, "config: [] is not an object"),
        ({}, {"headers": "x"}, "protocolsettings.headers: 'x' is not an object"),
    ],
)
def test_a_wrong_json_form_is_refused_by_place(config: Any, settings: Any, message: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        DeliveryPolicy.from_dict(config, settings)
    assert message in str(refused.value)


def test_a_breaker_can_be_turned_off_where_there_is_no_null() -> None:
    assert DeliveryPolicy.from_dict({"breaker": False}).breaker is None


def test_headers_do_not_show_in_the_repr() -> None:
    assert "hush" not in repr(DeliveryPolicy(headers={"x-token": "hush"}))
