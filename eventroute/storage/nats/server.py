"""The server: how it is reached, and what is made there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from eventroute.errors import InvalidConfiguration

__all__ = ["OLDEST_SERVER", "Server"]

OLDEST_SERVER = (2, 9)
"""The first that lets any message be read at once, by its number."""

FORMAT = "eventroute storage, format 1"
"""What the stream is described by. Another format is another description."""


def _check_addresses(_server: Server, _attribute: object, value: tuple[str, ...]) -> None:
    for address in value:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        try:
            right = bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise InvalidConfiguration(f"{host!r} is no HOST:PORT with a port from 1 to 65535", where="address")


def _check_name(_server: Server, _attribute: object, value: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise InvalidConfiguration(f"{value!r} is not 1 to 64 of A-Z, a-z, 0-9, _ and -", where="name")


def _check_replicas(_server: Server, _attribute: object, value: int | None) -> None:
    if value is not None and value not in (1, 2, 3, 4, 5):
        raise InvalidConfiguration(f"{value!r} is not 1 to 5", where="replicas")


def _check_kind(_server: Server, _attribute: object, value: str | None) -> None:
    if value not in (None, "file", "memory"):
        raise InvalidConfiguration(f"{value!r} is neither file nor memory", where="storage")


def _check_bytes(_server: Server, _attribute: object, value: int | None) -> None:
    if value is not None and value < 1 << 20:
        raise InvalidConfiguration(f"{value!r} is less than 1,048,576", where="max_bytes")


def _check_patience(_server: Server, _attribute: object, value: float) -> None:
    if not 0.001 <= value <= 3_600:
        raise InvalidConfiguration(f"{value!r} is not 0.001 to 3600 seconds", where="patience")


@frozen(kw_only=True)
class Server:
    """Servers of one cluster, and the streams there that hold the storage."""

    addresses: tuple[str, ...] = field(repr=False, validator=_check_addresses)
    """As nats-py takes them: URLs. May hold a password or a token."""
    name: str = field(default="eventroute", validator=_check_name)
    replicas: int | None = field(default=None, validator=_check_replicas)
    """How many servers keep the streams; None: as they are, and 1 where they are made."""
    storage: Literal["file", "memory"] | None = field(default=None, validator=_check_kind)
    """None: as they are, and in files where they are made."""
    max_bytes: int | None = field(default=None, validator=_check_bytes)
    """The bytes that the stream may have; None: as it is, and no bound where it is made."""
    credentials: str | None = None
    """The path of a file of credentials."""
    patience: float = field(default=10.0, validator=_check_patience)
    """How long a call waits for a server that is away, in seconds."""

    @property
    def where(self) -> str:
        """The addresses without what might be a password."""
        hosts = ",".join(urlsplit(address).netloc.rpartition("@")[2] for address in self.addresses)
        return f"nats://{hosts}/{self.name}"

    @property
    def encrypted(self) -> bool:
        """Whether nothing may be said over a connection that is not."""
        return any(urlsplit(address).scheme in ("tls", "wss") for address in self.addresses)

    @property
    def stream(self) -> str:
        """The name of the stream with all changes and events."""
        return f"EVENTROUTE_{self.name}"

    @property
    def snapshots(self) -> str:
        """The name of the stream with the snapshots."""
        return f"EVENTROUTE_{self.name}_SNAPSHOTS"

    @property
    def ledger(self) -> str:
        """The subject of changes that bring no events."""
        return f"eventroute.{self.name}.ledger"

    def log(self, number: int | str) -> str:
        """The subject of what brings events of the bus of this number."""
        return f"eventroute.{self.name}.log.{number}"

    @property
    def changes(self) -> str:
        """All subjects of changes."""
        return f"eventroute.{self.name}.>"

    def part(self, snapshot: int | str) -> str:
        """The subject of the parts of a snapshot: that of the state behind this message."""
        return f"eventroute-snapshots.{self.name}.{snapshot}"

    @property
    def manifest(self) -> str:
        """The subject of what says of which parts a snapshot is made."""
        return self.part("manifest")

    def wanted(self, *, snapshots: bool) -> dict[str, Any]:
        """The configuration of a stream that is to be made."""
        return {
            "name": self.snapshots if snapshots else self.stream,
            "description": FORMAT,
            "subjects": [self.part("*")] if snapshots else [self.ledger, f"eventroute.{self.name}.log.*"],
            "retention": "limits",
            "discard": "new",
            "storage": self.storage or "file",
            "num_replicas": self.replicas or 1,
            "max_bytes": -1 if snapshots or self.max_bytes is None else self.max_bytes,
            "allow_direct": True,
        }

    def faults(self, config: Mapping[str, Any], *, snapshots: bool) -> list[str]:
        """What of a stream's configuration, as the server tells it, is not as it must be, or as was asked for."""
        asked: dict[str, Any] = {"num_replicas": self.replicas, "storage": self.storage}
        if not snapshots:
            asked["max_bytes"] = self.max_bytes
        must: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        wanted = self.wanted(snapshots=snapshots)
        must |= {name: wanted[name] for name in ("description", "subjects", "retention", "discard", "allow_direct")}
        must |= {"max_msgs": -1, "max_age": 0, "max_msgs_per_subject": -1, "max_msg_size": -1, "sealed": False}
        return [
            f"{name} is {config.get(name)!r} and must be {value!r}"
            for name, value in must.items()
            if config.get(name) != value
        ]
