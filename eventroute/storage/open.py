"""A storage from its address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

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

    `postgresql://user@host/database`, with the options `schema`, `patience` and `poll_interval` (seconds) and `pooled`
    (true or false) in the query, beside what libpq knows: `postgresql://host/db?schema=events&sslmode=verify-full`.
    Needs the extra `postgres`.
    """
    parts = urlsplit(url)
    if parts.scheme not in _KNOWN:
        raise _refused(url, f"there is no storage {parts.scheme or url!r}; known: {_FORMS}")
    if parts.scheme in _LATER:
        raise _refused(url, f"the storage {parts.scheme!r} is not available yet; known: {_FORMS}")
    if parts.fragment:
        raise _refused(url, "an address has no #; write %23 for one in a path")
    if parts.scheme in ("postgresql", "postgres"):
        return _postgres(url, clock)
    if parts.scheme == "memory":
        if parts.netloc or parts.path or parts.query:
            raise _refused(url, "the address of a storage in memory is memory: and no more")
        return MemoryStorage(clock)
    if parts.netloc or not parts.path.startswith("/") or len(parts.path) < 2:
        raise _refused(url, "write sqlite:///relative.db or sqlite:////absolute.db")
    return _sqlite(url, unquote(parts.path[1:]), dict(parse_qsl(parts.query, keep_blank_values=True)), clock)


_LATER = frozenset({"nats"})
_KNOWN = frozenset({"memory", "sqlite", "postgresql", "postgres"}) | _LATER
_FORMS = "memory:, sqlite:///PATH, postgresql://HOST/DATABASE"
_POSTGRES = ("schema", "patience", "poll_interval", "pooled")


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


def _postgres(url: str, clock: Clock | None) -> Storage:
    """Options of ours are taken out of the address; the rest is libpq's."""
    try:  # an extra
        from eventroute.storage.postgres.storage import PostgresStorage  # noqa: PLC0415
    except ImportError as error:  # also where psycopg is there, and libpq is not
        raise _refused(url, f"PostgreSQL needs psycopg ({error}): pip install 'eventroute[postgres]'") from error
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in pairs if name in _POSTGRES}
    address = parts._replace(query=urlencode([pair for pair in pairs if pair[0] not in _POSTGRES], quote_via=quote))
    pooled = ours.get("pooled", "false")
    if pooled not in ("true", "false"):
        raise _refused(url, f"pooled={pooled!r} is neither true nor false")
    try:
        return PostgresStorage(
            address.geturl(),
            schema=ours.get("schema", "eventroute"),
            clock=clock,
            patience=_seconds(url, "patience", ours.get("patience", "10")),
            pooled=pooled == "true",
            poll_interval=_seconds(url, "poll_interval", ours.get("poll_interval", "0.05")),
        )
    except InvalidConfiguration as error:
        raise _refused(url, str(error)) from None


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
