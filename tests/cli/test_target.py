"""A storage that is not there: commands say so, and make none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import nats
import psycopg
import pytest
from attrs import frozen
from click.testing import CliRunner

from benchmarks.nats import place as nats_place
from benchmarks.postgres import place as postgres_place
from eventroute.cli.commands import commands

READING = [
    "buses list",
    "buses show default",
    "events list",
    "events show 1",
    "events tail",
    "events find",
    "events trace 1",
    "subscriptions list",
    "subscriptions show s",
    "deadletters list",
    "deadletters count",
]
WRITING = [
    "buses update default --max-age 9",
    "buses delete default --yes",
    "events put -",
    "deadletters purge --all --yes",
]
EVENT = b'{"specversion":"1.0","id":"1","source":"/s","type":"t"}'


@frozen
class Nowhere:
    """Where no storage is."""

    url: str
    message: str
    is_there: Callable[[], bool]


def in_postgres() -> Iterator[Nowhere]:
    address = os.environ.get("EVENTROUTE_TEST_POSTGRES")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_POSTGRES=postgresql://user@host/database")
    with postgres_place(address) as place:

        def is_there() -> bool:
            with psycopg.connect(address) as link:
                found = link.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (place.schema,)).fetchone()
            return found is not None

        yield Nowhere(
            place.url, f"there is no storage in the schema '{place.schema}': look for a typing error", is_there
        )


def on_nats() -> Iterator[Nowhere]:
    address = os.environ.get("EVENTROUTE_TEST_NATS")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_NATS=nats://host:4222")
    with nats_place(address) as place:

        async def names() -> list[str | None]:
            async with await nats.connect(address) as client:
                return [info.config.name for info in await client.jetstream().streams_info()]

        def is_there() -> bool:
            return any(name and place.name in name for name in anyio.run(names))

        stream = place.server().stream
        message = f"there is no stream {stream}, and so no storage: look for a typing error"
        yield Nowhere(place.url, message, is_there)


@pytest.fixture(params=["sqlite", "empty", "postgres", "nats"])
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nowhere]:
    """On each of the storages that last."""
    file = tmp_path / "no.db"
    if request.param == "sqlite":
        yield Nowhere(f"sqlite:///{file}", "no.db: look for a typing error", file.exists)
    elif request.param == "empty":
        file.touch()
        yield Nowhere(f"sqlite:///{file}", "this is no storage: the file is empty", lambda: bool(file.stat().st_size))
    else:
        yield from in_postgres() if request.param == "postgres" else on_nats()


def test_where_no_storage_is_none_is_made(nowhere: Nowhere, tmp_path: Path) -> None:
    copy = ["copy", nowhere.url, f"sqlite:///{tmp_path}/copy.db"]
    console = ["console", nowhere.url, "--port", "0"]
    named = [[*line.split(), "--storage", nowhere.url] for line in READING + WRITING]
    for arguments in (copy, console, *named):
        done = CliRunner().invoke(commands, arguments, input=EVENT)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert nowhere.message in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not nowhere.is_there()
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("making", ["buses create audit", "events put - --create"])
def test_what_is_to_make_one_does(nowhere: Nowhere, making: str) -> None:
    done = CliRunner().invoke(commands, [*making.split(), "--storage", nowhere.url], input=EVENT)
    assert (done.exit_code, done.stderr) == (0, "")
    assert nowhere.is_there()
    for line in ("buses list", "events list"):
        done = CliRunner().invoke(commands, [*line.split(), "--storage", nowhere.url])
        assert (done.exit_code, done.stderr) == (0, "")
