"""Sockets that servers are given: bound before anything is opened, so that what is wrong shows first."""

from __future__ import annotations

import socket

from eventroute.errors import InvalidConfiguration

__all__ = ["address_of", "bound_socket"]


def bound_socket(host: str, port: int, where: str) -> socket.socket:
    """A socket that is bound, and does not listen before all is ready. Raises InvalidConfiguration, with `where`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InvalidConfiguration(f"there is no address {host!r} here: {error}", where=where) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise InvalidConfiguration(f"it cannot listen on {host}:{port}: {error.strerror}", where=where) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """The URL of a server of HTTP on this socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
