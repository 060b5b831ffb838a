"""The commands of pipelines, a table a theme. Their functions know values only, nothing of events."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from eventroute.transform.command import Shape
from eventroute.transform.commands import array, date, document, number, pattern, structure, text

__all__ = ["COMMANDS"]

COMMANDS: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        **structure.COMMANDS,
        **text.COMMANDS,
        **pattern.COMMANDS,
        **number.COMMANDS,
        **date.COMMANDS,
        **array.COMMANDS,
        **document.COMMANDS,
    }
)
"""Every command, by its name in lower case."""
