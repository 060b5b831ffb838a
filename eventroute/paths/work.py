"""What evaluating one path on one document may cost."""

from __future__ import annotations

from typing import Any

from eventroute.errors import TransformError

__all__ = ["MAX_WORK", "Work"]

MAX_WORK = 1_000_000
"""How many values a path may visit in one document, each as often as it is visited.

`$..*` visits each value of a document once, `$..*..*` each once for every array or object around it; a filter counts
each value that it tests as often as it has terms. Comparing arrays and objects, long texts and long numbers, and
matching regular expressions, count by the time that they may take.
"""


class Work:
    """One evaluation: the document, what is left of MAX_WORK, and what is known already."""

    __slots__ = ("known", "left", "path", "root")

    def __init__(self, root: object, path: object) -> None:
        self.root = root
        self.path = path
        self.left = MAX_WORK
        self.known: dict[object, Any] = {}
        """What need not be found out twice: by the function that reads it, what does not depend on `@`; by its text,
        a regular expression that is found in the document."""

    def spend(self, count: int) -> None:
        """Counts visits, before they are made. Raises TransformError where they are more than MAX_WORK."""
        self.left -= count
        if self.left < 0:
            raise TransformError(f"the path visits more than {MAX_WORK} values in this event", where=str(self.path))
