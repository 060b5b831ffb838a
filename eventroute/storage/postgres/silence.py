"""A server that takes what it is sent and says nothing: who waits for it is let go, as if the connection were lost.

It hangs, or its disk does, or it waits for a standby that is away. Its system still acknowledges what comes, so the
connection itself looks well.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

__all__ = ["WatchThread", "Wire"]

_LOOKS = 20
"""How often to look within the time that a server may be silent."""


class Wire:
    """The socket of one connection after another, and since when the thread that owns them waits for an answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.began: float | None = None
        """Since when it waits; None: it does not. Set by the owner alone."""
        self._cut: float | None = None

    def join(self, link: Any) -> None:
        """There is a new connection. This holds its socket by a descriptor of its own, which nobody else closes."""
        self.part()
        with self._lock, suppress(OSError):
            self._socket = socket.fromfd(link.fileno(), socket.AF_INET, socket.SOCK_STREAM)

    def part(self) -> None:
        """The connection is of no use any more."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def look(self, limit: float) -> None:
        """Cut the connection where it has been silent for so many seconds; called by another thread."""
        began = self.began
        if began is None or time.monotonic() - began < limit:
            return
        with self._lock:
            if self._socket is not None:
                self._cut = began
                with suppress(OSError):  # it is cut already
                    self._socket.shutdown(socket.SHUT_RDWR)

    def take_cut(self) -> float | None:
        """Since when was waited for an answer to what was cut; None: nothing was. Asked once."""
        with self._lock:
            began, self._cut = self._cut, None
        return began


class WatchThread:
    """Looks at wires, and cuts those that are silent for too long."""

    def __init__(self, wires: Sequence[Wire], limit: float) -> None:
        self._wires = wires
        self._limit = limit
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._started = False
        self._thread = threading.Thread(target=self._main, name="eventroute-postgres-watch", daemon=True)

    def start(self) -> None:
        """Start the thread, where it is not running yet."""
        with self._lock:
            if not self._started:
                self._started = True
                self._thread.start()

    def stop(self) -> None:
        """Have it end, soon."""
        self._over.set()

    def _main(self) -> None:
        while not self._over.wait(self._limit / _LOOKS):
            for wire in self._wires:
                wire.look(self._limit)
