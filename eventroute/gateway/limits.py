"""The bounds on a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidConfiguration

__all__ = ["RequestLimits"]


def _within(least: float, most: float) -> Callable[[Any, attrs.Attribute[Any], float], None]:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise InvalidConfiguration(
                f"{value!r} is not a number from {least:,} to {most:,}", where=f"limits.{attribute.name}"
            )

    return check


@frozen(kw_only=True)
class RequestLimits:
    """The bounds on one request. Raises InvalidConfiguration naming the one that is out of range."""

    max_body: int = field(default=1_048_576, validator=_within(1, 1_073_741_824))
    """Bytes of a body (1 to 1 GiB); GitHub sends up to 25 MiB. A body is held in memory whole."""

    max_events: int = field(default=1_000, validator=_within(1, 100_000))
    """Events in one batch (1 to 100,000): they are stored in one change."""

    body_timeout: float = field(default=30.0, validator=_within(0.1, 3_600))
    """Seconds in which a body must have arrived (0.1 to 3,600)."""

    retry_after: int = field(default=5, validator=_within(1, 86_400))
    """Seconds after which a sender is told to come back when nothing can be stored now (1 to 86,400)."""
