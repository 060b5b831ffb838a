from __future__ import annotations

import traceback
from pathlib import Path

import psycopg
import pytest

from eventroute.errors import InvalidConfiguration
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.storage.postgres.storage import PostgresStorage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import put, read_all


@pytest.mark.anyio
async def test_memory() -> None:
    clock = VirtualClock(1_000.0)
    storage = open_storage("memory:", clock=clock)
    assert isinstance(storage, MemoryStorage)
    async with storage:
        await put(storage, b"1")
        assert (await read_all(storage))[0].time == 1_000.0


@pytest.mark.anyio
async def test_sqlite_by_relative_and_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_storage(
        "sqlite:///a%20file%3F.db?synchronous=NORMAL&busy_timeout=1.5&poll_interval=0.01"
    ) as storage:
        assert isinstance(storage, SQLiteStorage)
        monkeypatch.chdir("/")
        await put(storage, b"1")
    async with open_storage(f"sqlite:///{tmp_path}/a%20file%3F.db") as storage:
        assert await storage.buses() == (DEFAULT_BUS,)
        assert len(await read_all(storage)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["a file?.db"]  # noqa: ASYNC240 - nothing else runs


def test_postgresql_by_options_of_ours_and_of_libpq() -> None:
    storage = open_storage("postgresql://u@h:1/d?schema=x&patience=2&sslmode=disable&pooled=true&host=%2Ftmp")
    assert isinstance(storage, PostgresStorage)
    server = storage._server
    assert (server.schema, server.patience, server.pooled) == ("x", 2.0, True)
    assert server.address == "postgresql://u@h:1/d?sslmode=disable&host=%2Ftmp"


@pytest.mark.parametrize("url", ["postgresql:///d?host=/tmp&user=u&schema=x", "postgres:///d?host=%2Ftmp&user=u"])
def test_postgresql_without_a_host(url: str) -> None:
    storage = open_storage(url)
    assert isinstance(storage, PostgresStorage)
    server = storage._server
    assert psycopg.conninfo.conninfo_to_dict(server.address) == {"dbname": "d", "host": "/tmp", "user": "u"}
    assert server.where == "postgresql:///tmp:5432/d"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "there is no storage ''; known: memory:, sqlite:///PATH, postgresql://HOST/DATABASE, nats://"),
        (
            "events.db",
            "there is no storage 'events.db'; known: memory:, sqlite:///PATH, postgresql://HOST/DATABASE, nats://",
        ),
        ("mysql://u:secret@h/d", "mysql://h/d: there is no storage 'mysql'; known"),
        ("postgresql://u:secret@h/d?pooled=yes", "postgresql://h/d: pooled='yes' is neither true nor false"),
        ("postgresql://u:secret@h/d?patience=0", "postgresql://h/d: patience: 0.0 is not 0.001 to 3600 seconds"),
        ("postgresql://u:secret@h/d?schema=pg_catalog", "schema: 'pg_catalog' is not 1 to 63 of a-z"),
        ("postgresql://u:secret@h/d?patience=x", "postgresql://h/d: patience='x' is not a number of seconds"),
        ("postgresql:///d?password=secret&poll_interval=", "postgresql:///d: poll_interval='' is not a number of"),
        ("postgresql://u:secret@h/d?password=secret&sslmud=1", 'invalid URI query parameter: "sslmud"'),
        ("postgresql://u:%secret@h/d", "this is no address of a database: invalid percent-encoded token"),
        ("postgresql://u:secret%00@h/d", "this is no address of a database: forbidden value %00 in percent-encoded"),
        ("postgresql:d", "postgresql:d: write postgresql://HOST/DATABASE, or postgresql:///DATABASE"),
        ("postgres:/d", "postgres:/d: write postgresql://HOST/DATABASE, or postgresql:///DATABASE"),
        ("nats://u:secret@h/a.b", "nats://h/a.b: name: 'a.b' is not 1 to 64 of A-Z, a-z, 0-9, _ and -"),
        ("nats://secret@h/d?replicas=0", "replicas: 0 is not 1 to 5"),
        ("nats://secret@h/d?replicas=many", "nats://h/d: replicas='many' is not a whole number"),
        ("nats://secret@h/d?patience=x", "nats://h/d: patience='x' is not a number of seconds"),
        ("nats://secret@h/d?storage=tape", "storage: 'tape' is neither file nor memory"),
        ("nats://secret@h/d?max_bytes=1000", "max_bytes: 1000 is less than 1,048,576"),
        ("nats://secret@h/d?patience=0", "patience: 0.0 is not 0.001 to 3600 seconds"),
        ("nats://secret@h/d?tls=yes", "nats://h/d: tls='yes' is neither true nor false"),
        ("nats://secret@h:99999/d", "nats://h:99999/d: address: 'h:99999' is no HOST:PORT with a port from 1 to 65535"),
        ("nats://secret@h,i:port/d", "nats://h,i:port/d: address: 'i:port' is no HOST:PORT with a port"),
        ("nats://secret@h/d?token=secret", "there is no option 'token'; known: replicas, storage"),
        ("nats://secret@h,/d", "a host is missing"),
        ("nats:///d", "a host is missing"),
        ("postgresql://u:[secret@h/d", "storage: this is no address: in a user, a password and a path write %5B for ["),
        ("postgresql://u:secret@h\N{ACCOUNT OF}/d", "storage: this is no address: "),
        ("nats://u:[secret@h/d", "storage: this is no address: "),
        ("//u:secret@h/d", "//h/d: there is no storage '//h/d'; known"),
        ("postgresql//u:secret@h/d", "storage: there is no storage 'storage'; known"),
        ("u:secret@h/d", "storage: there is no storage 'u'; known"),
        ("postgresql:u:secret@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql:/u:secret@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql://u:x/secret@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql://u:x?secret@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql://u:x#secret@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql://u:secret?x=y@h/d", "postgresql: an @ does not stand there: "),
        ("postgresql://u:secret/x?x=y@h/d", "postgresql: an @ does not stand there: "),
        ("nats://u:x/secret@h/d", "nats: an @ does not stand there: "),
        ("memory:x", "memory: and no more"),
        ("memory:?a=b", "memory: and no more"),
        ("sqlite://events.db", "write sqlite:///relative.db or sqlite:////absolute.db"),
        ("sqlite:events.db", "write sqlite:///relative.db"),
        ("sqlite:///", "write sqlite:///relative.db"),
        ("sqlite:///:memory:", "for a storage in memory use memory:"),
        ("sqlite:///a.db#x", "sqlite:///a.db: an address has no #"),
        ("sqlite:///a.db?sync=FULL", "there is no option 'sync'; known: synchronous, poll_interval, busy_timeout"),
        ("sqlite:///a.db?synchronous=full", "'full' is neither FULL nor NORMAL"),
        ("sqlite:///a.db?busy_timeout=long", "busy_timeout='long' is not a number of seconds"),
        ("sqlite:///a.db?busy_timeout=-1", "busy_timeout: -1.0 is not 0.001 to 3600 seconds"),
    ],
)
def test_what_is_no_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        open_storage(url)
    assert message in str(caught.value)
    assert str(caught.value).count(f"{caught.value.where}: ") <= 1
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://u:secret@[::1]secret/d", 'unexpected character "..."'),
        ("postgresql://u:secret@[::1/d", "end of string reached when looking for matching"),
        ("host=h password=my secret", 'missing "..." in connection info string'),
        ("host=h password='secret", "unterminated quoted string"),
        ("hots=h password=secret", 'invalid connection option "hots"'),
    ],
)
def test_what_libpq_refuses_is_told_without_what_it_quotes(address: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match="this is no address of a database: ") as caught:
        PostgresStorage(address)
    assert message in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))
