"""Whatever is sent: a 2xx and everything is stored, or a 4xx with a reason and nothing is."""

from __future__ import annotations

import json

import anyio
from hypothesis import example, given
from hypothesis import strategies as st

from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.gateway import github
from eventroute.gateway.app import Gateway
from eventroute.gateway.github_events import EVENTS
from eventroute.gateway.limits import RequestLimits
from eventroute.secrets import Secret
from tests.gateway.asgi import Answer, call
from tests.gateway.standin import Log

SECRET = Secret("It's a Secret to Everybody")

content_types = st.one_of(
    st.sampled_from(
        [
            b"application/cloudevents+json",
            b"application/cloudevents-batch+json; charset=utf-8",
            b"application/cloudevents",
            b"application/json",
            b"application/x-www-form-urlencoded",
            b"text/plain; charset=utf-16",
            b"text/plain",
            b"application/octet-stream",
            b"",
            b";",
        ]
    ),
    st.binary(max_size=20),
)
names = st.one_of(
    st.sampled_from(
        [
            *(b"ce-specversion", b"ce-id", b"ce-source", b"ce-type", b"ce-time", b"ce-subject", b"ce-data", b"ce-"),
            *(
                b"content-length",
                b"content-encoding",
                b"x-github-event",
                b"x-github-delivery",
                b"webhook-request-origin",
            ),
        ]
    ),
    st.binary(max_size=12).map(bytes.lower),
)
values = st.one_of(
    st.sampled_from(
        [b"1.0", b"1", b"/a", b"t", b"2020-01-01T00:00:00Z", b"%F0%9F", b'"', b"\xff", b"star", b"identity"]
    ),
    st.binary(max_size=16),
)
members = st.dictionaries(
    st.sampled_from(
        ["specversion", "id", "source", "type", "time", "data", "data_base64", "datacontenttype", "x", "é"]
    ),
    st.one_of(st.sampled_from(["1.0", "/a", "t", "", "\ud800", "AAAA"]), st.integers(), st.none(), st.lists(st.none())),
)
bodies = st.one_of(
    st.binary(max_size=60),
    members.map(lambda event: json.dumps(event).encode()),
    st.lists(members, max_size=3).map(lambda batch: json.dumps(batch).encode()),
    st.just(json.dumps({"specversion": "1.0", "id": "1", "source": "/", "type": "t"}).encode()),
    st.integers(1, 5_000).map(lambda depth: b"[" * depth),
    st.integers(1, 5_000).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth),
)
methods = st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "FOO"])


def judge(answer: Answer, log: Log) -> None:
    if answer.status in (200, 202):
        return
    assert 400 <= answer.status < 500
    assert log.empty
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    assert document["detail"]


@given(
    methods,
    st.sampled_from(["/default", "/audit", "/nowhere", "/default/github", "/"]),
    content_types,
    st.lists(st.tuples(names, values), max_size=6),
    bodies,
)
@example("POST", "/default", b"application/cloudevents+json", [], b'{"specversion":"1.0","id":"\\ud800"}')
@example("POST", "/default", b"text/plain", [(b"ce-id", b"%ED%A0%80"), (b"ce-\xff", b"")], b"")
def test_garbage(method: str, path: str, content_type: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    log = Log()
    gateway = Gateway(log, github={"default": SECRET}, limits=RequestLimits(max_body=10_000))

    async def send() -> Answer:
        return await call(gateway, method, path, [(b"content-type", content_type), *headers], body)

    answer = anyio.run(send)
    judge(answer, log)
    if answer.status == 202:
        wanted = Event.from_http([(b"content-type", content_type), *headers], body)
        assert log.stored[path[1:]] == wanted


@given(
    st.text(max_size=12),
    content_types,
    st.one_of(bodies, bodies.map(lambda body: b"payload=" + body), st.just(b"payload=%7B%7D&payload=1")),
)
def test_garbage_that_is_signed(event: str, content_type: bytes, body: bytes) -> None:
    log = Log()
    headers = [
        (b"content-type", content_type),
        (b"x-github-event", event.encode("utf-8", "surrogatepass")),
        (b"x-github-delivery", b"72d3162e"),
        (b"x-hub-signature-256", github.signature_of(body, SECRET).encode()),
    ]

    async def send() -> Answer:
        return await call(Gateway(log, github={"default": SECRET}), "POST", "/default/github", headers, body)

    answer = anyio.run(send)
    judge(answer, log)
    assert log.empty == (answer.status != 202)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=6),
        st.sampled_from(["https://a.example/b", "2020-01-01T00:00:00Z"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["url", "id", "owner", "updated_at"]), inner)
    ),
    max_leaves=4,
)


@given(
    st.sampled_from(sorted(EVENTS)),
    st.dictionaries(
        st.sampled_from(
            [
                *("action", "repository", "sender", "organization", "comment", "issue", "alert", "installation"),
                "ref",
                "release",
            ]
        ),
        json_values,
    ),
)
def test_a_payload_of_any_shape_is_an_event_or_is_told_why_not(event: str, payload: dict[str, object]) -> None:
    body = json.dumps(payload).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-github-event", event.encode()),
        (b"x-github-delivery", b"72d3162e"),
    ]
    try:
        made = github.event_of(headers, body, now=1_700_000_000.0)
    except InvalidEvent as error:
        assert error.where == "source"
        return
    assert made.type.startswith(f"com.github.{event}")
    assert made.data_bytes == body
    assert Event.from_json(made.to_json()) == made
