"""The server: how it is reached, and what its errors mean."""

from __future__ import annotations

import re
import select
from collections.abc import Sequence
from typing import Any

import psycopg
from attrs import field, frozen
from psycopg import Connection, RawCursor, conninfo
from psycopg.rows import TupleRow

from eventroute.errors import InvalidConfiguration, StorageError, StorageFull
from eventroute.storage.postgres.adapting import adapt
from eventroute.storage.postgres.silence import Wire
from eventroute.storage.postgres.starting import Answer, ask

__all__ = ["Link", "Server", "check_address", "is_away", "storage_error", "wait_readable"]

Link = Connection[TupleRow]
"""A connection in autocommit mode, whose statements have `$1` for their arguments."""

_OLDEST_SERVER = 130_000  # knows how a transaction ended, by `pg_xact_status`, with ids that never come again

SILENCE = 20.0
"""How long a server may take to answer, in seconds; beside a wait for a lock, half of it."""

_DEFAULTS = {
    "application_name": "eventroute",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "target_session_attrs": "read-write",
}
"""What libpq is told unless the address says otherwise: where nothing comes back for 20 s, nothing will."""


# All that is asked can be found by an index, in its order. So plans are made once, and not by how small a table was at
# the time.
_SESSION = (
    "SELECT set_config('search_path', quote_ident($1), false),"
    " set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),"
    " set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false),"
    " set_config('lock_timeout', $2, false)"
)


@frozen(kw_only=True)
class Server:
    """A database, and the schema in it that holds the storage."""

    address: str = field(repr=False)
    """As libpq takes it: a URL, or keywords and values. May hold a password."""
    schema: str
    patience: float
    """How long a call waits for a server that is away, and for a lock that another process holds, in seconds."""
    pooled: bool
    """Whether a pooler stands between that gives each transaction another session."""
    as_is: bool = False
    """Whether the storage must be there, and is not made."""

    @property
    def where(self) -> str:
        """The address without what might be a password."""
        parts = conninfo.conninfo_to_dict(self.address)
        host = parts.get("host") or parts.get("hostaddr") or "localhost"
        return f"postgresql://{host}:{parts.get('port') or 5432}/{parts.get('dbname') or ''}"

    @property
    def silence(self) -> float:
        """How long to wait for an answer, in seconds: then the server hangs."""
        return max(SILENCE, self.patience + SILENCE / 2)

    def connect(self, wire: Wire | None = None) -> Link:
        """A new connection, on the wire. Raises psycopg.Error, StorageError."""
        address = conninfo.make_conninfo(**self._parts)
        link: Link = Connection.connect(
            address, autocommit=True, cursor_factory=RawCursor, prepare_threshold=None if self.pooled else 2
        )
        try:
            if wire is not None:
                wire.join(link)
            if link.info.server_version < _OLDEST_SERVER:
                raise StorageError(f"{self.where}: the server is too old: PostgreSQL 13 or later is needed")
            adapt(link)
            if not self.pooled:
                link.execute(_SESSION, (self.schema, str(max(1, int(self.patience * 1000)))))
        except BaseException:
            link.close()
            raise
        return link

    def ask(self, refused: psycopg.Error) -> Answer:
        """Whether the servers are about to take connections, of which the last refused this one."""
        last = refused.pgconn
        hosts, ports = (str(self._parts.get(key) or "").split(",") for key in ("host", "port"))
        try:
            if len(hosts) > 1:
                return ask((host, int(ports[place % len(ports)] or 5432)) for place, host in enumerate(hosts))
            return Answer.AWAY if last is None else ask([((last.hostaddr or last.host).decode(), int(last.port))])
        except ValueError:  # what stands there as a port is no number, or as a host no name
            return Answer.AWAY

    @property
    def _parts(self) -> dict[str, Any]:
        return {**_DEFAULTS, **conninfo.conninfo_to_dict(self.address)}


def check_address(address: str) -> None:
    """Raises InvalidConfiguration where libpq cannot read it."""
    try:
        conninfo.conninfo_to_dict(address)
    except psycopg.ProgrammingError as error:
        text = " ".join(str(error).split())
        told = text if text.startswith(_NAMING) else re.sub('".*"', '"..."', text)
        raise InvalidConfiguration(f"this is no address of a database: {told}", where="postgresql") from None


_NAMING = ("invalid URI query parameter", "invalid connection option")
"""What libpq quotes then is a name. Else it may be the password, or an address that has one."""

_AWAY = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25006")
"""Lost or refused; shut down, crashed, starting; given up as idle, here or there; read-only, as a standby is."""


def is_away(error: psycopg.Error, link: Link | None) -> bool:
    """Whether the connection is of no use any more, or there was none to be had: another may do better."""
    if link is None:
        return isinstance(error, psycopg.OperationalError)
    if link.closed or (error.sqlstate is None and isinstance(error, psycopg.OperationalError)):
        return True
    return any((error.sqlstate or "").startswith(each) for each in _AWAY)


def storage_error(error: Exception, where: str) -> StorageError:
    """What an error of PostgreSQL, or about it, means to who uses the storage, and what can be done."""
    state = getattr(error, "sqlstate", None) or ""
    text = " ".join(str(error).split()) or type(error).__name__
    if state.startswith("53") and state != "53300":
        found: StorageError = StorageFull(f"{where}: the server has no room left: {text}")
    else:
        known = _MEANINGS if state or isinstance(error, psycopg.OperationalError) else ()
        meaning = next((meaning for code, meaning in known if _matches(state, code)), "PostgreSQL failed")
        found = StorageError(f"{where}: {meaning} ({text}{f'; {state}' if state else ''})")
    found.__cause__ = error
    return found


def _matches(state: str, code: str) -> bool:
    return state.startswith(code) if code else not state


_POOLER = "a pooler stands between that gives each transaction another session: say pooled=true"
_MEANINGS = (
    ("53300", "the server takes no more connections: raise its max_connections, or put a pooler before it"),
    ("55P03", "another process has held a lock for too long: see in pg_stat_activity what it does"),
    ("57014", "a statement took longer than the statement_timeout that is set for this role or database"),
    ("28", "the server does not let this role in: see its name, its password, and pg_hba.conf"),
    ("3D000", "there is no such database: make it first"),
    ("42501", "the role may not do this: it must own the schema, or be allowed to make one"),
    ("25006", "the server is a standby, which takes no changes: give the address of the primary, or of all hosts"),
    ("08", "the connection to the server was lost"),
    ("57P", "the server is being shut down, or starts"),
    ("25P03", "this process has stopped for too long in the middle of a change"),
    ("XX", "the server found a fault in itself: look at its log"),
    ("42P05", _POOLER),
    ("26000", _POOLER),
    ("42P01", f"its tables are not to be found: somebody removed them, or {_POOLER}"),
    ("22", "the server could not take a value: this is a fault in eventroute"),
    ("42", "the server could not read a statement: this is a fault in eventroute, or its tables were changed"),
    ("", "the server cannot be reached, or the connection to it was lost"),
)


def wait_readable(sources: Sequence[Any], timeout: float | None) -> None:
    """Wait until one of these connections or sockets can be read, or for so many seconds."""
    select.select(sources, [], [], timeout)
