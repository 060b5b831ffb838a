"""Resting: how a reader waits, so that it can be woken when there is room, the worker stops or something changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from eventroute.push.bell import Bell

__all__ = ["Resting"]


class Resting:
    """Those of a worker's readers that wait, and what waits for room in a lane."""

    def __init__(self) -> None:
        self.hungry = Bell()
        """Rings when a lane may have use for more, for the shared reader."""
        self.starved: set[str] = set()
        """Subscriptions with waiting deliveries that are due, for which there was no room."""
        self._scopes: dict[anyio.CancelScope, str | None] = {}
        self._over = False

    async def rest(self, subscription: str | None, wait: Callable[[], Awaitable[None]]) -> None:
        """Wait, for a reader of a subscription (None: the shared one), unless nobody is to wait any more."""
        if self._over:
            return
        with anyio.CancelScope() as scope:
            self._scopes[scope] = subscription
            try:
                await wait()
            finally:
                del self._scopes[scope]

    def fed(self, subscription: str) -> bool:
        """A lane has use for more: the shared reader looks what for. Whether deliveries wait in the ledger for that."""
        self.hungry.ring()
        starved = subscription in self.starved
        self.starved.discard(subscription)
        return starved

    def wake(self, subscription: str) -> None:
        """End the waits of a subscription's readers."""
        for scope, resting in self._scopes.items():
            if resting == subscription:
                scope.cancel()

    def end(self) -> None:
        """End all waits; there will be no more."""
        self._over = True
        for scope in self._scopes:
            scope.cancel()
