"""A storage from its address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

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

    `nats://host:4222/name`, with the options `replicas` (1 to 5), `storage` (file or memory), `max_bytes`, `patience`
    (seconds), `credentials` (a path) and `tls` (true or false); several hosts with a comma between. Needs the extra
    `nats`.
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # which tells the password, too
        raise InvalidConfiguration(f"this is no address: {_ENCODED}", where="storage") from None
    if parts.scheme not in _KNOWN:
        raise _refused(url, f"there is no storage {parts.scheme or _shown(url)!r}; known: {_FORMS}")
    if _may_tell(parts):
        raise _refused(url, f"an @ does not stand there: {_ENCODED}")
    if parts.fragment:
        raise _refused(url, "an address has no #; write %23 for one in a path")
    if parts.scheme in ("postgresql", "postgres"):
        return _postgres(url, clock)
    if parts.scheme == "nats":
        return _nats(url, clock)
    if parts.scheme == "memory":
        if parts.netloc or parts.path or parts.query:
            raise _refused(url, "the address of a storage in memory is memory: and no more")
        return MemoryStorage(clock)
    if parts.netloc or not parts.path.startswith("/") or len(parts.path) < 2:
        raise _refused(url, "write sqlite:///relative.db or sqlite:////absolute.db")
    return _sqlite(url, unquote(parts.path[1:]), dict(parse_qsl(parts.query, keep_blank_values=True)), clock)


_KNOWN = frozenset({"memory", "sqlite", "postgresql", "postgres", "nats"})
_FORMS = "memory:, sqlite:///PATH, postgresql://HOST/DATABASE, nats://HOST/NAME"
_ENCODED = "in a user, a password and a path write %5B for [, %5D for ], %2F for /, %3F for ?, %23 for # and %40 for @"
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
    if not url.lower().startswith(f"{parts.scheme}://"):
        raise _refused(url, "write postgresql://HOST/DATABASE, or postgresql:///DATABASE")
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    ours = {name: value for name, value in pairs if name in _POSTGRES}
    query = urlencode([pair for pair in pairs if pair[0] not in _POSTGRES], quote_via=quote)
    address = f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if query else ''}{query}"  # `geturl` may leave out //
    pooled = ours.get("pooled", "false")
    if pooled not in ("true", "false"):
        raise _refused(url, f"pooled={pooled!r} is neither true nor false")
    patience = _seconds(url, "patience", ours.get("patience", "10"))
    poll_interval = _seconds(url, "poll_interval", ours.get("poll_interval", "0.05"))
    try:
        return PostgresStorage(
            address,
            schema=ours.get("schema", "eventroute"),
            clock=clock,
            patience=patience,
            pooled=pooled == "true",
            poll_interval=poll_interval,
        )
    except InvalidConfiguration as error:
        raise _refused(url, str(error)) from None


_NATS = ("replicas", "storage", "max_bytes", "patience", "credentials", "tls")


def _nats(url: str, clock: Clock | None) -> Storage:
    try:  # an extra
        from eventroute.storage.nats.server import Server  # noqa: PLC0415
        from eventroute.storage.nats.storage import NatsStorage  # noqa: PLC0415
    except ImportError as error:
        raise _refused(url, f"NATS needs nats-py ({error}): pip install 'eventroute[nats]'") from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _NATS:
            raise _refused(url, f"there is no option {name!r}; known: {', '.join(_NATS)}")
    tls = options.get("tls", "false")
    if tls not in ("true", "false"):
        raise _refused(url, f"tls={tls!r} is neither true nor false")
    user, _, hosts = parts.netloc.rpartition("@")
    if not all(hosts.split(",")):
        raise _refused(url, "a host is missing: write nats://HOST:4222/NAME")
    scheme = "tls" if tls == "true" else "nats"
    replicas, max_bytes = _whole(url, "replicas", options), _whole(url, "max_bytes", options)
    patience = _seconds(url, "patience", options.get("patience", "10"))
    try:
        server = Server(
            addresses=tuple(f"{scheme}://{user}{'@' if user else ''}{host}" for host in hosts.split(",")),
            name=parts.path.strip("/") or "eventroute",
            replicas=replicas,
            storage=cast(Literal["file", "memory"] | None, options.get("storage")),
            max_bytes=max_bytes,
            credentials=options.get("credentials"),
            patience=patience,
        )
    except InvalidConfiguration as error:
        raise _refused(url, str(error)) from None
    return NatsStorage(server, clock=clock)


def _whole(url: str, name: str, options: Mapping[str, str]) -> int | None:
    text = options.get(name)
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise _refused(url, f"{name}={text!r} is not a whole number")
    return None if text is None else int(text)


def _seconds(url: str, name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _refused(url, f"{name}={text!r} is not a number of seconds") from None


def _refused(url: str, reason: str) -> InvalidConfiguration:
    return InvalidConfiguration(reason, where=_shown(url) or "storage")


def _shown(url: str) -> str:
    """The address without what might be a password."""
    parts = urlsplit(url)
    if _may_tell(parts):
        return parts.scheme if parts.scheme in _KNOWN else "storage"
    scheme = f"{parts.scheme}:" if parts.scheme else ""
    host = "//" + parts.netloc.rpartition("@")[2] if parts.netloc or url.startswith("//", len(scheme)) else ""
    return f"{scheme}{host}{parts.path}"


def _may_tell(parts: SplitResult) -> bool:
    """Whether a password may stand where none is looked for, since not all of it is percent-encoded."""
    if parts.scheme == "sqlite":
        return False
    if any("@" in part for part in (parts.path, parts.query.partition("=")[0], parts.fragment)):
        return True
    # In a value of the query it may stand, but for what is no HOST:PORT before it.
    hosts = parts.path and re.search(r":[0-9]*$|^[^:]*$|\]$", parts.netloc)
    return "@" in parts.query and parts.netloc != "" and "@" not in parts.netloc and not hosts
