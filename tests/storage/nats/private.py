"""Three servers of our own, which a test may kill and start again, and a place behind a proxy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nats import Place
from benchmarks.nats_server import PrivateServer, free_ports
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.storage import NatsStorage
from tests.storage.postgres.proxy import Proxy

__all__ = ["SERVER", "PrivateCluster", "proxied"]

SERVER = shutil.which("nats-server")
"""The program, where it is installed."""


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


@contextmanager
def proxied(place: Place) -> Iterator[tuple[Proxy, Place]]:
    """A proxy, and the same place behind it."""
    host, _, port = place.address.rpartition("/")[2].partition(":")
    proxy = Proxy(host, int(port))
    try:
        yield proxy, Place(f"nats://127.0.0.1:{proxy.port}", place.name)
    finally:
        proxy.close()
