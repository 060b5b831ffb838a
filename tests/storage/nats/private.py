"""A server of our own, which a test may kill and start again, and a place behind a proxy."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.nats import Place
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.storage import NatsStorage
from tests.storage.postgres.proxy import Proxy

__all__ = ["SERVER", "PrivateCluster", "PrivateServer", "proxied"]

SERVER = shutil.which("nats-server")
"""The program, where it is installed."""


class PrivateServer:
    """A process that keeps its streams in a folder."""

    def __init__(self, folder: Path, *more: str, port: int | None = None, jetstream: bool = True) -> None:
        self._more = ("-js", "-sd", str(folder), *more) if jetstream else more
        self.port = free_ports(1)[0] if port is None else port
        self.place = Place(f"nats://127.0.0.1:{self.port}", "test")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = [SERVER or "", "-a", "127.0.0.1", "-p", str(self.port), *self._more]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            with self._process:
                self._process.kill()
            self._process = None


class PrivateCluster:
    """Three servers that keep a stream together."""

    NAME = "test"

    def __init__(self, folder: Path) -> None:
        ports, routes = free_ports(3), [f"nats://127.0.0.1:{port}" for port in free_ports(3)]
        self.servers = {
            f"n{number}": PrivateServer(
                folder / f"n{number}",
                *("-n", f"n{number}", "--cluster_name", "test", "--cluster", routes[number]),
                *("--routes", ",".join(routes)),
                port=port,
            )
            for number, port in enumerate(ports)
        }

    def storage(self, patience: float) -> NatsStorage:
        """A storage there, kept by all three, that is not open."""
        addresses = tuple(server.place.address for server in self.servers.values())
        return NatsStorage(Server(addresses=addresses, name=self.NAME, replicas=3, patience=patience))

    def start(self) -> None:
        """Start all."""
        for server in self.servers.values():
            server.start()

    def kill(self) -> None:
        """`kill -9` for all."""
        for server in self.servers.values():
            server.kill()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each another one."""
    with ExitStack() as probes:
        return [probes.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


@contextmanager
def proxied(place: Place) -> Iterator[tuple[Proxy, Place]]:
    """A proxy, and the same place behind it."""
    host, _, port = place.address.rpartition("/")[2].partition(":")
    proxy = Proxy(host, int(port))
    try:
        yield proxy, Place(f"nats://127.0.0.1:{proxy.port}", place.name)
    finally:
        proxy.close()
