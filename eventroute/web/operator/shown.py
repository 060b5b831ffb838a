"""Values as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from eventroute.event import Event
from eventroute.jsontext import encode_json
from eventroute.timestamps import format_timestamp, instant

__all__ = ["MAX_DATA", "ago", "duration", "moment", "points", "pretty", "size"]

MAX_DATA: Final = 65_536
"""How many characters of an event, or of a definition, are shown."""

NOTHING: Final = "\N{EN DASH}"
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
WIDTH: Final = 120
HEIGHT: Final = 24


def duration(seconds: float) -> str:
    """A length of time in its largest unit: `3 min`."""
    for unit, name in _UNITS:
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return "0 s" if seconds < 0.001 else f"{seconds * 1000:.0f} ms"


def ago(time: float | None, now: float) -> str:
    """How far a time is from now, or a dash."""
    if time is None:
        return NOTHING
    return f"{duration(now - time)} ago" if time <= now else f"in {duration(time - now)}"


def moment(time: float | datetime | None) -> str:
    """A time in full, to the second."""
    if time is None:
        return NOTHING
    seconds = time.timestamp() if isinstance(time, datetime) else time
    return format_timestamp(instant(seconds).replace(microsecond=0))


def size(count: int) -> str:
    """Bytes in their largest unit."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def pretty(value: Event | Any) -> tuple[str, int]:
    """An event or a JSON value as indented JSON, cut at `MAX_DATA` characters; and how many are left out."""
    raw = value.to_json() if isinstance(value, Event) else encode_json(value)
    if len(raw) > 8 * MAX_DATA:  # not indented: that would take longer than anybody reads
        text = raw[: 4 * MAX_DATA].decode("utf-8", "replace")
        return text[:MAX_DATA], len(raw) - MAX_DATA
    text = msgspec.json.format(raw, indent=2).decode("utf-8", "replace")  # a storage takes any bytes
    return text[:MAX_DATA], max(len(text) - MAX_DATA, 0)


def points(values: list[float]) -> str:
    """A small line of numbers, the newest at the right, as the points of an SVG of `WIDTH` by `HEIGHT`."""
    most = max(values, default=0.0)
    step = WIDTH / max(len(values) - 1, 1)
    height = HEIGHT - 4
    return " ".join(
        f"{place * step:.1f},{HEIGHT - 2 - (value / most * height if most else 0):.1f}"
        for place, value in enumerate(values)
    )
