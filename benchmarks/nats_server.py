"""A NATS server of our own in a folder, that may be stopped and started while others use it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from benchmarks.harness import Unavailable
from benchmarks.nats import Place

__all__ = ["PrivateServer", "free_ports", "private_server"]

_PROGRAM = "nats-server"
_PATIENCE = 20.0
"""After so many seconds a server that does not listen never will."""


class PrivateServer:
    """A process that keeps its streams in a folder; on what it has not synced it has its defaults."""

    def __init__(self, folder: Path, *more: str, port: int | None = None, jetstream: bool = True) -> None:
        self._more = ("-js", "-sd", str(folder), *more) if jetstream else more
        self.port = free_ports(1)[0] if port is None else port
        self.place = Place(f"nats://127.0.0.1:{self.port}", "test")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address for `open_storage`."""
        return self.place.url

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [_PROGRAM, "-a", "127.0.0.1", "-p", str(self.port), *self._more]
        self._process = subprocess.Popen(  # noqa: S603 - the server's own program
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise
                time.sleep(0.01)
            else:
                return

    def stop(self, mode: Literal["fast", "immediate"]) -> None:
        """Stop it: `fast` by SIGTERM, `immediate` by SIGKILL, which leaves to the system what it has written."""
        if self._process is not None:
            with self._process:
                if mode == "fast":
                    self._process.terminate()
                else:
                    self._process.kill()
            self._process = None

    def kill(self) -> None:
        """`kill -9`."""
        self.stop("immediate")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    with ExitStack() as probes:
        return [probes.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


@contextmanager
def private_server(folder: Path) -> Iterator[PrivateServer]:
    """A server that runs, with its files in a folder. Raises Unavailable where there is no program."""
    if shutil.which(_PROGRAM) is None:
        raise Unavailable(f"needs the program {_PROGRAM}, which is not here")
    server = PrivateServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
