"""Events as they lie in the log: which of them can be sent without being taken apart, and what they are called."""

from __future__ import annotations

from eventroute.envelope import glance
from eventroute.payload import Kind, kind_of

__all__ = ["name_of"]


def name_of(document: bytes) -> str | None:
    """The source and id of an event in JSON that needs no closer look before it is sent as it is, else None.

    A closer look is due to what may have expired, and to what `Event.from_log` might refuse.
    """
    seen = glance(document)
    if seen is None or seen.expirytime or kind_of(seen.datacontenttype) is not Kind.JSON:
        return None
    return f"{seen.source} {seen.id}"
