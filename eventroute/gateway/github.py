"""GitHub webhooks as CloudEvents: the signature over what was received, and the event that it becomes."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from eventroute.attributes import check_attributes
from eventroute.binding import UnsupportedMode
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.gateway.github_events import ACTION, EVENTS, NO_ACTION, Row
from eventroute.jsontext import check_json, decode_json
from eventroute.secrets import Secret
from eventroute.timestamps import format_timestamp

__all__ = ["SIGNATURE", "event_of", "is_signed", "signature_of"]

SIGNATURE: Final = "X-Hub-Signature-256"

_SOURCES = ("{repository.url}", "{organization.url}", "{sender.url}")
"""Where a source is looked for when the event's row has none that can be used, or there is no row (`ping`)."""

_LEAST = {"specversion": "1.0", "id": "-", "source": "-", "type": "-"}
_is_event_name = re.compile(r"[a-z0-9_]{1,64}").fullmatch
_place = re.compile(r"\{([a-z0-9_.*]+)(/\.\.)?\}")


def signature_of(body: bytes, secret: Secret) -> str:
    """What `X-Hub-Signature-256` holds for a body signed with a secret."""
    key = secret.reveal().encode("utf-8", "surrogatepass")
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def is_signed(signature: str | None, body: bytes, secrets: Sequence[Secret]) -> bool:
    """Whether a body, exactly as it was received, was signed with one of the secrets; compared in constant time."""
    given = (signature or "").encode("utf-8", "surrogatepass")
    # Each is compared, so that the time taken does not tell which one is right.
    right = [hmac.compare_digest(signature_of(body, secret).encode("ascii"), given) for secret in secrets]
    return any(right)


def event_of(headers: Iterable[tuple[bytes, bytes]], body: bytes, *, now: float) -> Event:
    """The CloudEvent of a webhook whose signature was checked. Its data is the JSON text that GitHub sent.

    `now` (seconds since the epoch) is its time where the payload has none. Raises InvalidEvent naming what is wrong,
    UnsupportedMode for a body that is neither JSON nor a form.
    """
    known = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    event = known.get("x-github-event", "")
    if not _is_event_name(event):
        raise InvalidEvent("it must name the event, for example star", where="X-GitHub-Event")
    if not known.get("x-github-delivery"):
        raise InvalidEvent("it must hold the delivery's id", where="X-GitHub-Delivery")
    text = _payload_text(known.get("content-type", ""), body)
    payload = _payload(text)
    row = EVENTS.get(event, Row())
    facts = {**payload, "event": event}
    attributes = {
        **_LEAST,
        "id": known["x-github-delivery"],
        "source": _first("source", facts, (row.source, *_SOURCES)),
        "type": _first("type", facts, (row.type, ACTION, NO_ACTION)),
        "subject": None if row.subject is None else _first("subject", facts, (row.subject,)),
        "time": _time(facts, row.time) or format_timestamp(datetime.fromtimestamp(now, UTC)),
        "datacontenttype": "application/json",
    }
    if attributes["source"] is None:
        raise InvalidEvent(
            f"the payload of a {event} event needs repository.url, organization.url or sender.url", where="source"
        )
    return Event(attributes, text)


def _payload_text(content_type: str, body: bytes) -> bytes:
    match content_type.partition(";")[0].strip().lower():
        case "application/json":
            return body
        case "application/x-www-form-urlencoded":
            found = [
                value for name, _, value in (pair.partition(b"=") for pair in body.split(b"&")) if name == b"payload"
            ]
            if len(found) != 1:
                raise InvalidEvent("the form must have one field payload", where="payload")
            return unquote_to_bytes(found[0].replace(b"+", b" "))
        case other:
            raise UnsupportedMode(
                f"{other[:64]!r} is no webhook of GitHub: send application/json or a form", where="content-type"
            )


def _payload(text: bytes) -> dict[str, Any]:
    try:
        check_json(text)  # first: how deep decoding goes is not the same in every Python
        payload = decode_json(text)
    except ValueError as error:
        raise InvalidEvent(f"it is not one JSON value: {error}", where="data") from None
    if not isinstance(payload, dict):
        raise InvalidEvent("a webhook's payload is a JSON object", where="data")
    return payload


def _first(name: str, facts: Mapping[str, Any], templates: Iterable[str]) -> str | None:
    """The first template that gives a valid value for an attribute."""
    return next(_valid(name, (_filled(template, facts) for template in templates)), None)


def _time(facts: Mapping[str, Any], places: Iterable[str]) -> str | None:
    return next(_valid("time", (_timestamp(_filled(place, facts)) for place in places)), None)


def _valid(name: str, values: Iterable[str | None]) -> Iterator[str]:
    for value in values:
        if value is None:
            continue
        try:
            check_attributes({**_LEAST, name: value})
        except InvalidEvent:
            continue
        yield value


def _filled(template: str, facts: Mapping[str, Any]) -> str | None:
    """A template with the payload's values in place; None where one of them is no text or whole number."""
    values = [_text(_at(facts, found[1]), parent=bool(found[2])) for found in _place.finditer(template)]
    if None in values:
        return None
    given = iter(values)
    return _place.sub(lambda _: next(given) or "", template)


def _at(facts: Mapping[str, Any], path: str) -> Any:
    found: Any = facts
    for name in path.split("."):
        key = name.replace("*", str(facts.get("action")))
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _text(value: Any, *, parent: bool) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    text = str(value)
    return text.rstrip("/").rpartition("/")[0] if parent else text


def _timestamp(value: str | None) -> str | None:
    """Some payloads have seconds since the epoch where others have RFC 3339."""
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 11):
        return value
    return format_timestamp(datetime.fromtimestamp(int(value), UTC))
