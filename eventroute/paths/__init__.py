"""JSONPath over events (RFC 9535): parsed once, compiled to functions, bounded in what it may cost."""

from __future__ import annotations

from eventroute.paths.field import Field
from eventroute.paths.getter import MISSING, Missing
from eventroute.paths.path import Path

__all__ = ["MISSING", "Field", "Missing", "Path"]
