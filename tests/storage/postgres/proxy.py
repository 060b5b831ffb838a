"""A proxy before the server, which cuts connections at moments that a test chooses."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from benchmarks.postgres import Place

__all__ = ["SHUT_DOWN", "STARTING", "Proxy", "proxied"]


SHUT_DOWN = b"E\x00\x00\x00\x3fSFATAL\x00VFATAL\x00C57P01\x00Mthe administrator ends this session\x00\x00"
"""What a server says at the end of a session that is ended from outside."""


STARTING = b"E\x00\x00\x00\x3eSFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
"""What a server says to who comes while it starts or recovers."""


READY = b"Z\x00\x00\x00\x05I"
"""What a server says when it is ready for another statement."""


_ENCRYPTION = (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30")  # asked for in place of the protocol's version


class Proxy:
    """Passes bytes on, a thread for each direction of each connection.

    Where there are `last_words`, a client that is cut hears the answer, and then these in place of `READY`.
    `before` is asked with what a client has sent, `after` with what was sent to the server before an answer came back:
    where it says true, the connection is cut instead of passing that on. `refuse` cuts new ones at once; so
    many as `starting` says hear that the server does, and `turned_away` counts them. Who was there when it was told to
    `fall_silent` hears nothing any more.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.before: Callable[[bytes], bool] = lambda _sent: False
        self.after: Callable[[bytes], bool] = lambda _sent: False
        self.refuse = False
        self._accepted = 0
        self._silent = 0
        self.starting = 0
        self.turned_away = 0
        self.last_words = b""
        self.cuts = 0
        """How often `cut_once` has cut."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        _close(*sockets)

    def fall_silent(self) -> None:
        """Take what those who are connected now send, and let no answer come back."""
        self._silent = self._accepted

    def cut_once(self, text: bytes, *, answered: bool) -> None:
        """Cut once where a client sends something with this text in it: before the server gets it, or when it has
        answered.
        """
        left = [1]

        def is_it(sent: bytes) -> bool:
            found = text in sent and bool(left) and bool(left.pop())
            self.cuts += found
            return found

        if answered:
            self.after = is_it
        else:
            self.before = is_it

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = self._listener.accept()
                if self.refuse:
                    client.close()
                    continue
                if self.starting:
                    self.starting -= 1
                    self.turned_away += 1
                    self._turn_away(client)
                    continue
                server = socket.create_connection(self._server)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._sockets |= {client, server}
                sent: list[bytes] = []
                self._accepted += 1
                for source, target, is_client in ((client, server, True), (server, client, False)):
                    arguments = (source, target, is_client, sent, self._accepted)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _turn_away(self, client: socket.socket) -> None:
        """Say that the server is starting, once it was asked for a session; it may be asked for encryption before."""
        with suppress(OSError):
            while (asked := client.recv(1 << 16)) and asked[4:8] in _ENCRYPTION:
                client.sendall(b"N")
            client.sendall(STARTING)
        client.close()

    def _pump(
        self, source: socket.socket, target: socket.socket, is_client: bool, sent: list[bytes], number: int
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 20):
                if is_client:
                    sent.append(data)
                    if self.before(data):
                        break
                elif number <= self._silent:
                    continue
                elif self.after(b"".join(sent)):
                    if self.last_words:
                        target.sendall(data.removesuffix(READY) + self.last_words)
                        time.sleep(0.1)  # the end is seen only when they were heard
                    break
                else:
                    sent.clear()
                target.sendall(data)
            else:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)
                return
            _close(source, target)


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def proxied(postgres: Place) -> Iterator[tuple[Proxy, Place]]:
    """A proxy, and the same place behind it."""
    parts = urlsplit(postgres.address)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5432)
    user = f"{parts.username}:{parts.password}" if parts.password else parts.username or ""
    address = parts._replace(netloc=f"{user}@127.0.0.1:{proxy.port}").geturl()
    try:
        yield proxy, Place(address, postgres.schema)
    finally:
        proxy.close()
