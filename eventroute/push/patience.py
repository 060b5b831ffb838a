"""Waiting out a storage that fails for a while."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from eventroute.clock import Clock
from eventroute.errors import DamagedEvent, LeaseLost, StorageClosed, StorageConflict, StorageError

__all__ = ["patiently"]

_log = logging.getLogger("eventroute.push")

FIRST_WAIT = 0.05
LONGEST_WAIT = 5.0
"""Bounds of the wait between two tries, in seconds; it doubles from the first to the longest."""

P = ParamSpec("P")
T = TypeVar("T")


async def patiently(clock: Clock, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a call on the storage until it succeeds; for calls that may be repeated.

    DamagedEvent, LeaseLost, StorageClosed and StorageConflict pass through, since waiting does not mend them.
    """
    wait = FIRST_WAIT
    while True:
        try:
            return await call(*args, **kwargs)
        except (DamagedEvent, LeaseLost, StorageClosed, StorageConflict):
            raise
        except StorageError as error:
            _log.warning("the storage failed, trying again in %.2f s: %s", wait, error)
            await clock.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
