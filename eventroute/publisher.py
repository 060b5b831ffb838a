"""The synchronous face: publish from code that has no event loop (Django, scripts, threads)."""

from __future__ import annotations

import atexit
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from eventroute.errors import StorageClosed
from eventroute.router import Router
from eventroute.storage.base import Storage

if TYPE_CHECKING:
    from cloudevents.core.base import BaseCloudEvent

__all__ = ["Publisher"]


class Publisher:
    """Publishes from synchronous code: `with Publisher(storage) as publisher:` runs an event loop in its own thread.

    It takes no events away that a bus's retention no longer keeps, and fires no timers: routers that push do. It may be
    used from many threads at once. `open` and `close` are for programs that have no block to put around their work;
    what is still open when the interpreter ends is closed then. Open it after a fork, not before.
    """

    def __init__(self, storage: Storage) -> None:
        self._router = Router(storage, push=False)
        self._stack: ExitStack | None = None
        self._portal: BlockingPortal | None = None

    def open(self) -> None:
        """Open the storage; once open, it stays as it is. Raises StorageError."""
        if self._stack is not None:
            return
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            router: AbstractContextManager[Router] = portal.wrap_async_context_manager(self._router)
            stack.enter_context(router)
            self._portal, self._stack = portal, stack.pop_all()
        atexit.register(self.close)  # the portal's thread would keep the interpreter from ending

    def close(self) -> None:
        """Close the storage; one that is not open stays as it is."""
        stack, self._stack, self._portal = self._stack, None, None
        if stack is not None:
            atexit.unregister(self.close)
            stack.close()

    def __enter__(self) -> Self:
        """Open the storage. Raises StorageError."""
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the storage."""
        self.close()

    def publish(self, *events: BaseCloudEvent, bus: str = "default") -> list[int | None]:
        """Append events to a bus: all or none, durable on return. Returns one offset an event, in order,
        or None in place of that of a delayed event.

        Raises what `Router.publish` raises.
        """
        portal = self._portal
        if portal is None:
            raise StorageClosed("this publisher is not open: use `with Publisher(storage) as publisher:`, or open()")

        async def publish() -> list[int | None]:
            return await self._router.publish(*events, bus=bus)

        return portal.call(publish)
