"""What of a bus that moves elsewhere nothing else reads, in SQL."""

from __future__ import annotations

from eventroute.storage.base import Claim
from eventroute.storage.sql.statements import Statements

__all__ = ["SqlTransfer"]

_CLAIMS = 'SELECT bus, reader, start, "end", version, session FROM claim WHERE bus = ? ORDER BY reader, start'


class SqlTransfer(Statements):
    """The claims of a bus, as they are."""

    def claims(self, bus: str) -> tuple[Claim, ...]:
        """Those that are open."""
        self.version(bus)
        return tuple(Claim(*row) for row in self._all(_CLAIMS, (bus,)))
