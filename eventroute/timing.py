"""When an event may be delivered: the attributes `deliverafter` and `expirytime`, RFC 3339 times both."""

from __future__ import annotations

from eventroute.attributes import DELIVER_AFTER, EXPIRY
from eventroute.errors import InvalidEvent
from eventroute.event import Event
from eventroute.timestamps import parse_timestamp

__all__ = ["deliver_after", "expiry"]

_DELAYS = frozenset(DELIVER_AFTER)


def deliver_after(event: Event) -> float | None:
    """Before which time (seconds since the epoch) an event must not be delivered, or None where it does not say.

    Raises InvalidEvent where it is no RFC 3339 time, or attribute and alias disagree.
    """
    if _DELAYS.isdisjoint(event.attributes):
        return None
    named = {name: moment for name in DELIVER_AFTER if (moment := _moment(event, name)) is not None}
    if len(set(named.values())) > 1:
        raise InvalidEvent("it is another time than in deliverafter: give one of the two", where=DELIVER_AFTER[1])
    return next(iter(named.values()), None)


def expiry(event: Event) -> float | None:
    """From which time on (seconds since the epoch) an event has expired, or None where it does not say.

    Raises InvalidEvent where it is no RFC 3339 time.
    """
    return _moment(event, EXPIRY)


def _moment(event: Event, name: str) -> float | None:
    value = event.attributes.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidEvent(f"{value!r} is not an RFC 3339 date-time such as 2018-04-05T17:31:00Z", where=name)
    try:
        return parse_timestamp(value).timestamp()
    except ValueError as error:
        raise InvalidEvent(str(error), where=name) from None
