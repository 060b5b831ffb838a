"""Whether a server that let nobody in is about to do so: libpq gives the text of its refusal alone, in any language."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from enum import Enum, auto

__all__ = ["Answer", "ask"]

_TIMEOUT = 1.0
"""How long a server may take to answer, in seconds; one that does not is away."""

_MOST_BYTES = 8_192
_PARAMETERS = struct.pack("!i", 3 << 16) + b"user\0eventroute\0\0"
_ASK = struct.pack("!i", len(_PARAMETERS) + 4) + _PARAMETERS
_CANNOT_CONNECT_NOW = b"\0C57P03\0"


class Answer(Enum):
    """What a server says to who asks for a session, before it wants to know who that is."""

    STARTS = auto()
    """None yet, or none any more: it starts, recovers or shuts down."""
    TAKES = auto()
    """It wants to know who."""
    AWAY = auto()
    """There is none, or it says something else."""


def ask(hosts: Iterable[tuple[str, int]]) -> Answer:
    """Ask the servers at these hosts (or folders of sockets) and ports; of several, one that starts counts first."""
    answers = {_ask(host, port) for host, port in hosts}
    return next((answer for answer in Answer if answer in answers), Answer.AWAY)


def _ask(host: str, port: int) -> Answer:
    try:
        with _connect(host, port) as connection:
            connection.sendall(_ASK)
            said = b""
            while len(said) < _MOST_BYTES and (more := connection.recv(_MOST_BYTES)):
                said += more
                if said[:1] != b"E":
                    break
    except OSError:
        return Answer.AWAY
    if said[:1] == b"E" and _CANNOT_CONNECT_NOW in said:
        return Answer.STARTS
    return Answer.TAKES if said[:1] == b"R" else Answer.AWAY


def _connect(host: str, port: int) -> socket.socket:
    if not host.startswith("/"):
        return socket.create_connection((host, port), _TIMEOUT)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_TIMEOUT)
        connection.connect(f"{host}/.s.PGSQL.{port}")
    except BaseException:
        connection.close()
        raise
    return connection
