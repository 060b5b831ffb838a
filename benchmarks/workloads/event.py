"""Events from JSON and back: Event beside bare msgspec, which checks nothing, and beside the CloudEvents SDK."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import msgspec
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_structured, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from benchmarks.harness import Comparison, Contender, Measure, Workload
from eventroute.event import Event

RAW = msgspec.json.encode(
    {
        "specversion": "1.0",
        "id": "0f4ff9b2-6e39-4a8a-9e7c-3f8a54a1a001",
        "source": "https://github.com/octocat/hello-world",
        "type": "com.github.star.created",
        "time": "2026-11-23T12:00:00Z",
        "subject": "hello-world",
        "datacontenttype": "application/json",
        "partitionkey": "octocat",
        "data": {
            "action": "created",
            "starred_at": "2026-11-23T12:00:00Z",
            "repository": {"id": 1296269, "name": "hello-world", "stargazers_count": 80, "private": False},
            "sender": {"id": 583231, "login": "octocat", "type": "User", "site_admin": False},
        },
    }
)


class Bare(msgspec.Struct, omit_defaults=True):
    """The least that carries an event: names and types, nothing checked, the data left as it is."""

    specversion: str
    id: str
    source: str
    type: str
    datacontenttype: str | None = None
    subject: str | None = None
    time: str | None = None
    partitionkey: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(Bare).decode
_encode = msgspec.json.Encoder().encode
_format = JSONFormat()


def _bare_read() -> object:
    return _decode(RAW).type


def _bare_data() -> object:
    return msgspec.json.decode(_decode(RAW).data)


def _bare_change() -> object:
    event = _decode(RAW)
    event.subject = "changed"
    return _encode(event)


def _read() -> object:
    return Event.from_json(RAW).type


def _data() -> object:
    return Event.from_json(RAW).data


def _change() -> object:
    return Event.from_json(RAW).replace({"subject": "changed"}).to_json()


def _sdk_event() -> BaseCloudEvent:
    message = HTTPMessage({"content-type": "application/cloudevents+json"}, RAW)
    return from_structured(message, _format, CloudEvent)


def _sdk_read() -> object:
    return _sdk_event().get_type()


def _sdk_data() -> object:
    return _sdk_event().get_data()


def _sdk_change() -> object:
    event = _sdk_event()
    changed = CloudEvent({**event.get_attributes(), "subject": "changed"}, event.get_data())
    return to_structured(changed, _format).body


def _again_and_again(once: Callable[[], object]) -> Measure:
    def measure(size: int) -> float:
        started = perf_counter()
        for _ in range(size):
            once()
        return perf_counter() - started

    return measure


def _compared(
    case: str, bare: Callable[[], object], ours: Callable[[], object], sdk: Callable[[], object]
) -> Comparison:
    return Comparison(
        case,
        Contender("bare msgspec", _again_and_again(bare)),
        (Contender("Event", _again_and_again(ours)), Contender("cloudevents SDK", _again_and_again(sdk))),
        size=10_000,
        tiny=10,
    )


WORKLOAD = Workload(
    name="event",
    doc=f"A JSON event of {len(RAW)} bytes: read it, look at its data, write it with one attribute changed.",
    unit="event",
    comparisons=(
        _compared("read", _bare_read, _read, _sdk_read),
        _compared("read, data", _bare_data, _data, _sdk_data),
        _compared("read, change, write", _bare_change, _change, _sdk_change),
    ),
)
