"""Resting: how a reader waits, so that it can be woken when the worker stops or its subscription changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

__all__ = ["Resting"]


class Resting:
    """Those of a worker's readers that wait."""

    def __init__(self) -> None:
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
