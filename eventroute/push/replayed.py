"""Events of a replay, marked with its name where the policy says so."""

from __future__ import annotations

from eventroute.errors import InvalidEvent
from eventroute.event import Event

__all__ = ["REPLAY", "is_marked", "marked"]

REPLAY = "replayname"
"""The attribute that names the replay by which an event comes."""

_MEMBER = f'"{REPLAY}"'.encode()


def marked(document: bytes, replay: str) -> bytes:
    """An event in its JSON form, with the name of its replay; what is no event is left as it is."""
    try:
        return Event.from_log(document).replace({REPLAY: replay}).to_json()
    except InvalidEvent:
        return document


def is_marked(document: bytes) -> bool:
    """Whether an event in its JSON form may be marked; false: it is not."""
    return _MEMBER in document
