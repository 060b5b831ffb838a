"""Whether others write to the stream, too: who is alone need not follow it."""

from __future__ import annotations

__all__ = ["Company"]

_FEWEST = 8
_LONGER = 4
_MOST = 2_048


class Company:
    """Alone is whose messages are all there have been for a while; the longer a while, the more often that was wrong.
    Who begins is alone until others write.

    A process that is alone does not follow the stream: the answers to what it sends say what is stored, and where. As
    soon as somebody else sends something, it follows the stream from there.
    """

    def __init__(self) -> None:
        self.alone = True
        self._own = 0
        self._needed = _FEWEST // _LONGER
        self._stays = False

    def hear(self, *, own: bool) -> bool:
        """A message was applied; whether it shows that this process is alone, and was not known to be."""
        self._own = self._own + 1 if own else 0
        if self.alone or self._stays or self._own < self._needed:
            return False
        self.alone = True
        return True

    def meet(self) -> None:
        """Others have written, or may have."""
        if self.alone:
            self._needed = min(_LONGER * self._needed, _MOST)
        self.alone = False
        self._own = 0

    def rest(self) -> None:
        """Nothing is sent for now, which tells nothing of others."""
        self.alone = False
        self._own = 0

    def stay(self) -> None:
        """It would not learn when others write: it is never alone."""
        self.alone, self._stays = False, True
