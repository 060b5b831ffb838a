"""Subscriptions as the documents that people are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eventroute.definitions import document_of
from eventroute.storage.base import Reader, StoredSubscription
from eventroute.timestamps import format_timestamp

__all__ = ["replay_document", "subscription_document"]


def subscription_document(stored: StoredSubscription) -> dict[str, Any]:
    """A stored subscription as JSON values: what was asked for, and its `status`.

    `status` has `revision`, `reader` (`live`, or the one of its own that serves it) and, while it is paused, `paused`
    (why) and `pausedat` (since when).
    """
    status: dict[str, Any] = {"revision": stored.revision, "reader": stored.reader}
    if stored.paused is not None:
        status["paused"] = stored.paused
    if stored.paused_at is not None:
        status["pausedat"] = format_timestamp(datetime.fromtimestamp(stored.paused_at, UTC))
    return {"id": stored.id, "bus": stored.bus, **document_of(stored.definition), "status": status}


def replay_document(replay: Reader) -> dict[str, Any]:
    """A replay as JSON values: its `name`, where it began (`start`) and ends (`end`, not included), and how far it is
    (`position`).
    """
    return {"name": replay.name, "start": replay.replayed_from, "position": replay.position, "end": replay.until}
