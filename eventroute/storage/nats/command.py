"""What a message of the stream says: commands, which every process applies in the order of the stream.

A command tells all that its effect depends on, beside the tables and the time of its message: no clock, no chance. So
what comes of it is the same everywhere, and whoever sent it learns that by applying it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from eventroute.storage.nats.tables import StreamTables

__all__ = ["Command"]


class Command(Struct, array_like=True):
    """One change."""

    @abstractmethod
    def apply(self, tables: StreamTables, now: float) -> Any:
        """Make the change. An error that it raises has changed nothing."""

    def log(self) -> int | None:
        """The number of the bus that it brings events to; None: it brings none."""
        return None

    def carried(self) -> Sequence[bytes]:
        """These events."""
        return ()

    def undo(self, result: Any) -> Command | None:
        """What takes it back where nobody has learned its result."""
        del result
        return None
