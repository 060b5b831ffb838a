"""What is written to the ledger: what it is about, and in the words of a trace."""

from __future__ import annotations

from typing import Any

from eventroute.event import Event
from eventroute.push.replayed import REPLAY, is_marked
from eventroute.storage.base import Advance, Bury, Complete, Settle, Trip, Wait

__all__ = ["key_of", "short", "unmarked"]


def key_of(entry: Any) -> tuple[str, int]:
    """The subscription and the offset that an entry is about."""
    if isinstance(entry, Settle):
        return entry.subscription, entry.offset
    body = entry.waiting if isinstance(entry, Wait) else entry.letter
    return body.subscription, body.offset


def short(entry: Any) -> str:
    """An entry in a few words, for the trace."""
    if isinstance(entry, Trip):
        return f"Trip {entry.state.subscription} #{entry.state.serial} open {entry.state.opened} {entry.state.trips}"
    if isinstance(entry, Advance | Complete):
        end = entry.start if isinstance(entry, Advance) else entry.claim.end
        return f"{type(entry).__name__} {entry.claim.reader} [{entry.claim.start}, {end})"
    name, offset = key_of(entry)
    if isinstance(entry, Wait):
        row = entry.waiting
        return f"Wait {name} {offset} due {row.due:.3f} #{row.attempts} {row.reason}{' held' if entry.held else ''}"
    return f"{type(entry).__name__} {name} {offset}{f' {entry.letter.reason}' if isinstance(entry, Bury) else ''}"


def unmarked(document: bytes) -> bytes:
    """An event as it was published, whatever replay it came by."""
    return Event.from_log(document).replace({REPLAY: None}).to_json() if is_marked(document) else document
