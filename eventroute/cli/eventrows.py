"""One event of a log, as a row of a table or as a JSON document: the same in every command."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from attrs import frozen

from eventroute.cli.tables import Size
from eventroute.event import Event
from eventroute.timestamps import format_timestamp

__all__ = ["RIGHT", "STYLES", "TITLES", "Unreadable", "cells_of", "document_of"]

TITLES: Final = ("offset", "appended", "type", "source", "subject", "id", "size")
STYLES: Final[tuple[dict[str, Any], ...]] = ({"dim": True}, {"dim": True}, {"fg": "cyan"}, {}, {}, {}, {"dim": True})
RIGHT: Final = (True, False, False, False, False, False, True)


class _Logged(Protocol):
    @property
    def offset(self) -> int: ...

    @property
    def time(self) -> datetime | None: ...

    @property
    def event(self) -> Event | None: ...


@frozen
class Unreadable:
    """What stands in the log where no event can be read."""

    offset: int
    time: None = None
    event: None = None


def cells_of(one: _Logged) -> tuple[object, ...]:
    """Its cells under TITLES; of what is no event only where it is."""
    event = one.event
    if event is None:
        return one.offset, one.time, "(not an event)", "", "", "", Size(0)
    size = Size(len(event.to_json()))
    return one.offset, one.time, event.type, event.source, event.subject or "", event.id, size


def document_of(one: _Logged) -> dict[str, Any]:
    """`offset`, `appended` and `event`, which is None where the log has something else there; the time may be too."""
    event = None if one.event is None else msgspec.Raw(one.event.to_json())
    appended = None if one.time is None else format_timestamp(one.time)
    return {"offset": one.offset, "appended": appended, "event": event}
