"""Delivery policies: checked when made, the same through their JSON form and back."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidSubscription
from eventroute.push.outcome import DEFAULT_OUTCOMES
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.credentials import (
    BasicCredential,
    BearerCredential,
    ClientCertificate,
    ClientCredentials,
    HeaderCredential,
    RefreshCredential,
)
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.reply import Reply
from eventroute.push.policy.signing import Signing
from eventroute.push.policy.webhook import Handshake

references = st.sampled_from(["env:TOKEN", "file:/run/secrets/token", "vault:app/token"])
times = st.datetimes(timezones=st.just(UTC))
texts = st.text("abc 1-._~é", min_size=1, max_size=20)
credentials = st.one_of(
    st.builds(BasicCredential, user=texts, password=references),
    st.builds(
        BearerCredential, token=references, expires=st.none() | times, scheme=st.sampled_from(["Bearer", "DPoP"])
    ),
    st.builds(HeaderCredential, name=st.just("X-Api-Key"), value=references),
    st.builds(
        ClientCredentials,
        endpoint=st.just("https://id.example.com/token"),
        client=texts,
        secret=references,
        scope=st.none() | texts,
        parameters=st.dictionaries(texts, texts, max_size=2),
        authentication=st.sampled_from(["basic", "body"]),
    ),
    st.builds(
        RefreshCredential,
        endpoint=st.just("https://id.example.com/token"),
        refresh_token=references,
        access_token=st.none() | references,
        expires=st.none() | times,
        client=st.none() | texts,
        secret=st.none() | references,
        scope=st.none() | texts,
    ),
)
policies = st.builds(
    DeliveryPolicy,
    mode=st.sampled_from(["binary", "structured", "batch"]),
    batch=st.builds(Batch, events=st.integers(1, 1_000), bytes=st.integers(1, 10**7), linger=st.floats(0, 60)),
    rate=st.none() | st.builds(Rate, st.floats(0.001, 1e6), st.integers(1, 1_000)),
    credential=st.none() | credentials,
    certificate=st.none() | st.builds(ClientCertificate, certificate=references, key=st.none() | references),
    signing=st.none() | st.builds(Signing, secrets=st.lists(references, min_size=1, max_size=8)),
    handshake=st.none() | st.builds(Handshake, origin=st.just("me.example.com"), rate=st.none() | st.integers(1, 99)),
    reply=st.none() | st.builds(Reply, bus=st.just("answers")),
    max_hops=st.integers(1, 255),
    mark_replays=st.booleans(),
    method=st.sampled_from(["POST", "PUT", "PATCH"]),
    headers=st.dictionaries(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), st.text("abc 1;=", min_size=1), max_size=3),
    timeout=st.floats(min_value=0.001, max_value=3_600),
    backoff=st.builds(Backoff, st.floats(min_value=0.1, max_value=10), st.floats(min_value=10, max_value=1e6)),
    max_attempts=st.none() | st.integers(min_value=1, max_value=1_000_000),
    max_age=st.floats(min_value=0, max_value=31_536_000),
    concurrency=st.integers(min_value=1, max_value=1_024),
    max_waiting=st.integers(min_value=1, max_value=100_000),
    order_by=st.sampled_from(["subject", "partitionkey", "data.customer.id", "data['odd key'][0]"]),
    when_stuck=st.sampled_from(["go-on", "hold"]),
    breaker=st.none() | st.builds(Breaker, st.integers(min_value=1, max_value=99), st.builds(Backoff)),
    outcomes=st.sampled_from([DEFAULT_OUTCOMES, DEFAULT_OUTCOMES.changed({"404": "reject"})]),
)


@given(policies)
def test_a_policy_survives_its_json_form(policy: DeliveryPolicy) -> None:
    assert DeliveryPolicy.from_dict(*policy.to_dict()) == policy


def test_the_json_form_says_only_what_differs() -> None:
    assert DeliveryPolicy().to_dict() == ({}, {}, None)
    assert DeliveryPolicy(timeout=5, method="PUT").to_dict() == ({"timeout": 5}, {"method": "PUT"}, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mode": "batched"}, "policy.mode: 'batched' is none of batch, binary, structured"),
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
        ({"order_by": 5}, "policy.order_by: 5 is not the name of a field"),
        ({"order_by": "data.items[*]"}, "policy.order_by: 'data.items[*]': a field has names and indexes only"),
        ({"when_stuck": "hold"}, "policy.when_stuck: there is no key to hold without order_by"),
        ({"order_by": "subject", "when_stuck": "wait"}, "policy.when_stuck: 'wait' is none of go-on, hold"),
        ({"backoff": 5}, "policy.backoff: a value of type int is not a Backoff"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        DeliveryPolicy(**values)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("config", "settings", "message"),
    [
        ({"retries": 3}, {}, "config.retries: there is no such setting; known: backoff, batch"),
        (
            {},
            {"verb": "PUT"},
            "protocolsettings.verb: there is no such setting; known: certificate, handshake",
        ),
        ({"backoff": {"base": 1}}, {}, "config.backoff.base: there is no such setting; known: first, limit"),
        ({"backoff": {"first": "1"}}, {}, "config.backoff.first: '1' is not a number of seconds"),
        ({"outcomes": {"404": "ignore"}}, {}, "config.outcomes.404: 'ignore' is none of"),
        ({"outcomes": []}, {}, "config.outcomes: a value of type list is not an object"),
        ({"breaker": 5}, {}, "config.breaker: a value of type int is not an object"),
        ({"breaker": {"limit": 5}}, {}, "config.breaker.limit: there is no such setting; known: delay, failures"),
        ({"breaker": {"delay": {"first": "x"}}}, {}, "config.breaker.delay.first: 'x' is not a number of seconds"),
        ({"backoff": {"first": 0}}, {}, "config.backoff.first: 0 is not a number of seconds above 0"),
        ({"breaker": {"delay": {"limit": -1}}}, {}, "config.breaker.delay.limit: -1 is not a number of seconds"),
        ({"batch": {"events": 0}}, {}, "config.batch.events: 0 is not a whole number"),
        ({"batch": {"count": 1}}, {}, "config.batch.count: there is no such setting"),
        ({"batch": {"linger": 61}}, {}, "config.batch.linger: 61 is not a number from 0 to 60"),
        ({"rate": {}}, {}, "config.rate.events: is missing"),
        ({"rate": 5}, {}, "config.rate: a value of type int is not an object"),
        ({"rate": {"events": 0}}, {}, "config.rate.events: 0 is not a number"),
        ({"rate": {"events": 1, "burst": 0.5}}, {}, "config.rate.burst: 0.5 is not a whole number"),
        ({"reply": {"bus": 7}}, {}, "config.reply.bus: must be the name of a bus"),
        ({"mark_replays": 1}, {}, "config.mark_replays: a value of type int is not a bool"),
        ({"max_hops": 256}, {}, "config.max_hops: 256 is not a whole number from 1 to 255"),
        ({"credential": {}}, {}, "config.credential: there is no such setting"),
        ({}, {"handshake": {}}, "protocolsettings.handshake.origin: is missing"),
        ({}, {"handshake": {"origin": "a b"}}, "protocolsettings.handshake.origin: must be a DNS name"),
        ({}, {"handshake": {"origin": "a", "rate": 0}}, "protocolsettings.handshake.rate: 0 is not a whole number"),
        ({}, {"signing": {}}, "protocolsettings.signing.secrets: must be a list of references"),
        ({}, {"signing": {"secrets": []}}, "protocolsettings.signing.secrets: must be 1 to 8 references"),
        ({}, {"signing": {"secrets": ["hush"]}}, "protocolsettings.signing.secrets: a secret is given by reference"),
        ({}, {"signing": "hush"}, "protocolsettings.signing: a value of type str is not an object"),
        ({}, {"certificate": {"key": "env:A"}}, "protocolsettings.certificate.certificate: is missing"),
        ({}, {"certificate": {"certificate": "hush"}}, "protocolsettings.certificate.certificate: a secret is given"),
        ({}, {"headers": {"Webhook-Id": "x"}}, "protocolsettings.headers.Webhook-Id: this header is set"),
        ({"breaker": {"failures": 0}}, {}, "config.breaker.failures: 0 is not a whole number"),
        ({"timeout": 0}, {}, "config.timeout: 0 is not a number from 0.001"),
        ({}, {"method": "GET"}, "protocolsettings.method: 'GET' is none of"),
        ({}, {"headers": {"host": "x"}}, "protocolsettings.headers.host: this header is set by eventroute"),
        ([], {}, "config: a value of type list is not an object"),
        ({}, {"headers": "x"}, "protocolsettings.headers: a value of type str is not an object"),
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
