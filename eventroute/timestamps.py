"""RFC 3339 date-times: text to `datetime` and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["format_timestamp", "instant", "parse_timestamp", "rfc3339"]

_FIRST = datetime.min.replace(tzinfo=UTC).timestamp()
_LAST = datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp()

_rfc3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:(?:[0-5][0-9]|(60))(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-5][0-9])"
).fullmatch


def parse_timestamp(text: str) -> datetime:
    """The instant that an RFC 3339 date-time names, with its offset kept.

    Digits below a microsecond are cut, and a leap second (`:60`) becomes the last microsecond before it, because
    `datetime` holds neither. Raises ValueError for anything that is not an RFC 3339 date-time.
    """
    found = _rfc3339(text)
    if found is None:
        raise ValueError(f"{text[:64]!r} is not an RFC 3339 date-time such as 2018-04-05T17:31:00Z")
    if found[1]:
        text = text[:17] + "59.999999" + text[19:].lstrip(".0123456789")
    return datetime.fromisoformat(text.upper())


def format_timestamp(moment: datetime) -> str:
    """An aware datetime as RFC 3339 text, with `Z` for UTC. Raises ValueError for a naive one."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a datetime needs a time zone: use datetime.now(timezone.utc), for instance")
    if offset.seconds % 60 or offset.microseconds:
        moment = moment.astimezone(UTC)  # RFC 3339 has no offset of less than a minute
    text = moment.isoformat()
    return text[:-6] + "Z" if text.endswith("+00:00") else text


def instant(seconds: float) -> datetime:
    """Seconds since the epoch in UTC. What lies beyond the years that there are, 1 to 9999, is their first or their
    last second: `9999-12-31T23:59:59-12:00` is a time that an event may name.
    """
    return datetime.fromtimestamp(min(max(seconds, _FIRST), _LAST), UTC)


def rfc3339(seconds: float | None) -> str | None:
    """Seconds since the epoch as RFC 3339 text in UTC; None stays None."""
    return None if seconds is None else format_timestamp(instant(seconds))
