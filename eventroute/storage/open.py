"""A storage from its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from eventroute.clock import Clock
from eventroute.errors import InvalidConfiguration
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.sqlite import SQLiteStorage

__all__ = ["open_storage"]


def open_storage(url: str, *, clock: Clock | None = None) -> Storage:
    """The storage at an address; it is opened by `async with`. Raises InvalidConfiguration.

    `memory:`; `sqlite:///relative.db` and `sqlite:////absolute.db`, with the options `synchronous` (FULL or NORMAL),
    `poll_interval` and `busy_timeout` (seconds) as a query: `sqlite:///events.db?synchronous=NORMAL`.
    """
    parts = urlsplit(url)
    if parts.scheme not in _KNOWN:
        raise _refused(url, f"there is no storage {parts.scheme or url!r}; known: memory:, sqlite:///PATH")
    if parts.scheme in _LATER:
        raise _refused(url, f"the storage {parts.scheme!r} is not available yet; known: memory:, sqlite:///PATH")
    if parts.fragment:
        raise _refused(url, "an address has no #; write %23 for one in a path")
    if parts.scheme == "memory":
        if parts.netloc or parts.path or parts.query:
            raise _refused(url, "the address of a storage in memory is memory: and no more")
        return MemoryStorage(clock)
    if parts.netloc or not parts.path.startswith("/") or len(parts.path) < 2:
        raise _refused(url, "write sqlite:///relative.db or sqlite:////absolute.db")
    return _sqlite(url, unquote(parts.path[1:]), dict(parse_qsl(parts.query, keep_blank_values=True)), clock)


_LATER = frozenset({"postgresql", "nats"})
_KNOWN = frozenset({"memory", "sqlite"}) | _LATER


def _sqlite(url: str, path: str, options: Mapping[str, str], clock: Clock | None) -> SQLiteStorage:
    for name in options:
        if name not in ("synchronous", "poll_interval", "busy_timeout"):
            raise _refused(url, f"there is no option {name!r}; known: synchronous, poll_interval, busy_timeout")
    return SQLiteStorage(
        path,
        clock=clock,
        synchronous=cast(Literal["FULL", "NORMAL"], options.get("synchronous", "FULL")),
        poll_interval=_seconds(url, "poll_interval", options.get("poll_interval", "0.05")),
        busy_timeout=_seconds(url, "busy_timeout", options.get("busy_timeout", "10")),
    )


def _seconds(url: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _refused(url, f"{name}={text!r} is not a number of seconds") from None


def _refused(url: str, reason: str) -> InvalidConfiguration:
    """The address in the message is without what might be a password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return InvalidConfiguration(reason, where=parts._replace(netloc=host, query="", fragment="").geturl() or "storage")
