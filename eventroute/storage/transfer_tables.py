"""The part of `Tables` by which a bus moves from one storage to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from eventroute.storage.base import Claim
from eventroute.storage.transfer import Imported

__all__ = ["TransferTables"]


class TransferTables(Protocol):
    """What is read whole, and written as it was elsewhere."""

    def claims(self, bus: str) -> tuple[Claim, ...]:
        """See `Storage.claims`. Raises UnknownBus."""
        ...

    def import_events(self, bus: str, events: Sequence[Imported], first: int) -> None:
        """Append them with their times and identities; an empty log begins at `first` or beyond."""
        ...
