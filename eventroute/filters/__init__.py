"""Filters: which events a subscription wants.

A dialect turns a specification into a small frozen tree (`syntax`). The compiler turns a tree into a function, and the
index holds very many filters by what must hold for each to match (`cover`), so that an event is compared with few.
"""

from __future__ import annotations

from eventroute.filters.filter import Filter
from eventroute.filters.index import FilterIndex

__all__ = ["Filter", "FilterIndex"]
