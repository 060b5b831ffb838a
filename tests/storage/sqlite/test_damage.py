"""Files that were damaged: it is said, at opening, at reading or by the check, or no event has changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from eventroute.errors import StorageError
from eventroute.event import Event
from eventroute.storage.base import DEFAULT_BUS, LIVE, Bury, DeadLetter, Delayed, Record, Wait, Waiting
from eventroute.storage.sqlite import SQLiteStorage, schema, wal
from eventroute.storage.sqlite.check import check_storage
from eventroute.storage.sqlite.schema import prepare
from eventroute.storage.sqlite.wal import WalMark, lost_pages, wal_mark
from eventroute.testing.clock import VirtualClock
from eventroute.testing.storage.log import BUS, put, read_all, subscribe

Shell = Callable[[str], list[tuple[Any, ...]]]
Logs = dict[str, list[Record]]
NAMES = ("events.db", "events.db-wal", "events.db-shm")


async def read_logs(path: Path) -> Logs:
    async with SQLiteStorage(path) as storage:
        return {bus: await read_all(storage, bus) for bus in await storage.buses()}


async def fill(folder: Path, copy: Path) -> Logs:
    """Write events at `folder`, in the file and in its log; copy it as a killed process would leave it."""
    clock = VirtualClock()
    async with SQLiteStorage(folder / "events.db", clock=clock) as storage:
        await storage.create_bus("other")
        await subscribe(storage, "s")
        session = await storage.open_session(1e6)
        for number in range(12):
            clock.jump(1.25)
            await put(storage, *[b'{"id":"%d","data":"%s"}' % (number, b"x" * number * 9)] * 5)
            await put(storage, b'{"id":"%d"}' % number, b'{"large":"%s"}' % (b"y" * 6_000), bus="other")
            await storage.claim(BUS, LIVE, session, limit=4)
            letter = DeadLetter("s", number + 1, 1.0, "reason", "error", 1, b'{"id":"x"}')
            await storage.write(BUS, session, [Bury(letter), Wait(Waiting("s", number + 13, 1.0), held=False)])
            if number == 6:
                await storage._write(lambda tables: None)
                with closing(sqlite3.connect(folder / "events.db")) as connection:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        for name in NAMES:
            shutil.copy(folder / name, copy / name)
        return {bus: await read_all(storage, bus) for bus in await storage.buses()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Logs]:
    """Two whole storages, one closed and one killed, and what both hold."""
    closed, killed = tmp_path_factory.mktemp("closed"), tmp_path_factory.mktemp("killed")
    return {"closed": closed, "killed": killed}, anyio.run(fill, closed, killed)


def harm(path: Path, lot: random.Random) -> None:
    """Flip some bytes, cut the tail off, or write nonsense over a sector."""
    content = bytearray(path.read_bytes())
    kind = lot.choice(["flip", "flip", "flip", "cut", "sector"])
    if kind == "cut":
        del content[lot.randrange(len(content)) :]
    elif kind == "sector":
        begin = lot.randrange(len(content)) // 512 * 512
        content[begin : begin + 512] = lot.randbytes(512) if lot.random() < 0.5 else bytes(512)
    else:
        for _ in range(lot.choice([1, 1, 3])):
            content[lot.randrange(len(content))] ^= 1 << lot.randrange(8)
    path.write_bytes(content)


def damaged_copy(folder: Path, target: Path, victim: str, number: int) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    if number % 40 == 0 and victim == "events.db-wal":
        (target / victim).unlink()
    else:
        harm(target / victim, random.Random(f"{victim} {number}"))


def left(path: Path) -> Logs | None:
    """What can be read; None: the damage is told."""
    try:
        return anyio.run(read_logs, path)
    except StorageError:
        return None


@pytest.mark.parametrize(
    ("state", "victim"), [("closed", "events.db"), ("killed", "events.db"), ("killed", "events.db-wal")]
)
def test_damage_is_told_or_has_hurt_no_event(
    whole: tuple[dict[str, Path], Logs], tmp_path: Path, state: str, victim: str
) -> None:
    folders, logs = whole
    told = 0
    for number in range(40 if os.environ.get("HYPOTHESIS_PROFILE") == "quick" else 150):
        damaged_copy(folders[state], tmp_path / "copy", victim, number)
        found = left(tmp_path / "copy" / "events.db")
        if found == logs:
            continue
        told += found is None
        damaged_copy(folders[state], tmp_path / "copy", victim, number)
        try:
            assert check_storage(tmp_path / "copy" / "events.db"), f"{victim} {number}: nobody tells"
        except StorageError:
            continue
    assert told > 10


@pytest.fixture
def storage_file(whole: tuple[dict[str, Path], Logs], path: Path) -> Path:
    """A whole storage, closed."""
    shutil.copy(whole[0]["closed"] / "events.db", path)
    return path


def test_a_whole_file_is_found_whole(storage_file: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert check_storage(storage_file, progress=lambda done, total: seen.append((done, total))) == []
    assert seen == [(60, 84), (84, 84)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM reader WHERE name = 'live' AND bus = 'other'", "the bus 'other' has lost its reader live"),
        ("UPDATE bus SET first = 90", "the log of the bus 'default' begins at 90 and ends at 61"),
        ("UPDATE bus SET first = 2 WHERE name = 'other'", "the bus 'other' has events from 1 to 24, not from 2 to 24"),
        ('UPDATE bus SET "end" = 60', "the bus 'default' has events from 1 to 60, not from 1 to 59"),
        ("DELETE FROM event WHERE key >> 40 = 2", "the bus 'other' has events from 0 to 0, not from 1 to 24"),
        ("UPDATE reader SET position = 99 WHERE name = 'live'", "is at 99 and has claimed all below"),
        ("UPDATE bus SET name = 'default\u00e4' WHERE name = 'default'", "has lost its reader live"),
    ],
)
def test_what_a_glance_can_see_is_refused_at_opening(
    storage_file: Path, shell: Shell, statement: str, message: str
) -> None:
    shell(statement)
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            anyio.run(read_logs, storage_file)
        assert "events.db: the file is damaged: " in str(caught.value)
        assert message in str(caught.value)
    assert any(message in finding for finding in check_storage(storage_file))


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM event WHERE key % 256 = 7", "the bus 'default' has 59 events of"),
        ("UPDATE bus SET bytes = bytes + 1", "the bus 'other' has 24 events of"),
        ("DELETE FROM event WHERE key % 256 = 7", "the event 7 cannot be read: it is missing"),
        ("INSERT INTO event (key, time, event) VALUES (9 << 40, 1, x'')", "1 events from the key 9895604649984 on"),
        ("UPDATE bus SET newest = 5", "the newest event of the bus 'default' is of"),
        ('UPDATE claim SET "end" = 99 WHERE start = 1', "the claim of 'live' on 'default' from 1 to 99 is not within"),
        ('UPDATE claim SET "end" = 6 WHERE start = 1', "the claims of 'live' on the bus 'default' overlap at 5"),
        ("UPDATE subscription SET bus = 'no'", "the subscription 's' is on a bus 'no'"),
        ("UPDATE span SET until = 3", "nobody serves the subscription 's' from now on"),
        ("UPDATE span SET reader = 'no'", "the span of 's' at 1 has no subscription or no reader"),
        (
            "UPDATE reader SET subscription = 'no' WHERE bus = 'other'",
            "'live' of the bus 'other' serves a subscription",
        ),
        ('UPDATE waiting SET "offset" = 99 WHERE "offset" = 13', "the delivery of 99 to 's' waits"),
        ("UPDATE appended SET count = -1", "has no offsets"),
        ("DELETE FROM deleted", "what deleted buses had"),
        ("UPDATE dead_letter SET event = x'7b' WHERE \"offset\" = 4", "the dead letter of s at 4 is no JSON object"),
        ("UPDATE waiting SET event = x'31' WHERE \"offset\" = 14", "the waiting delivery to s of 14 is no JSON"),
        ("INSERT INTO timer (bus, due, event) VALUES ('default', 1, x'ff')", "the timer of default with number 1"),
        ("UPDATE event SET event = x'7b', seal = NULL WHERE key % 256 = 9 AND key >> 40 = 1", "the event 9 is no JSON"),
        ("UPDATE event SET time = 5, seal = NULL WHERE key % 256 = 9", "the event 9 is older than the one before"),
        (
            "UPDATE event SET time = time + 1 WHERE key % 256 = 9",
            "the event 9 cannot be read: it is not what",
        ),
        ("DROP TABLE waiting", "SQLite: no such table: waiting"),
        ("DROP TABLE bus", "SQLite: no such table: bus"),
    ],
)
def test_what_does_not_agree_is_found_by_the_check(
    storage_file: Path, shell: Shell, statement: str, message: str
) -> None:
    shell(statement)
    findings = check_storage(storage_file)
    assert any(message in finding for finding in findings), findings


def test_settings_that_nobody_wrote_are_damage(storage_file: Path, shell: Shell) -> None:
    shell("UPDATE bus SET settings = replace(settings, 'hard', 'hare')")
    with pytest.raises(StorageError, match=r"events\.db: the file is damaged: .*the settings of a bus are damaged"):
        anyio.run(read_logs, storage_file)
    assert any("the settings of a bus are damaged" in finding for finding in check_storage(storage_file))


def test_what_is_no_storage_of_this_version_is_not_checked(storage_file: Path, tmp_path: Path, shell: Shell) -> None:
    with pytest.raises(StorageError, match=r"no\.db: there is no such file"):
        check_storage(tmp_path / "no.db")
    shell("PRAGMA user_version = 1")
    with pytest.raises(StorageError, match=r"has version 1, not .*: open it once as a storage"):
        check_storage(storage_file)
    storage_file.write_bytes(b"nothing" * 1_000)
    with pytest.raises(StorageError, match="not an SQLite database"):
        check_storage(storage_file)


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="this system does not tell its boots")
@pytest.mark.parametrize("harmed", ["removed", "cut", "header"])
def test_a_log_that_was_cut_or_removed_is_told_once(
    whole: tuple[dict[str, Path], Logs], tmp_path: Path, shell: Shell, harmed: str
) -> None:
    folders, logs = whole
    for name in NAMES:
        shutil.copy(folders["killed"] / name, tmp_path / name)
    path, log = tmp_path / "events.db", tmp_path / "events.db-wal"
    content = log.read_bytes()
    if harmed == "removed":
        log.unlink()
    else:
        log.write_bytes(content[: 32 + 4_120] if harmed == "cut" else bytes(32) + content[32:])
    with pytest.raises(
        StorageError, match=r"its write-ahead log events\.db-wal was damaged, cut or removed: \d+ pages"
    ):
        anyio.run(read_logs, path)
    found = anyio.run(read_logs, path)  # what is left is whole
    assert all(found[bus] == logs[bus][: len(found[bus])] for bus in logs)
    assert check_storage(path) == []


@pytest.mark.skipif(not Path("/proc/sys/kernel/random/boot_id").exists(), reason="this system does not tell its boots")
def test_after_a_start_of_the_machine_the_index_of_the_log_tells_nothing(
    whole: tuple[dict[str, Path], Logs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        shutil.copy(whole[0]["killed"] / name, tmp_path / name)
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(wal, "_BOOT", tmp_path / "boot")
    (tmp_path / "events.db-wal").unlink()
    assert anyio.run(read_logs, tmp_path / "events.db")
    monkeypatch.setattr(wal, "_BOOT", tmp_path / "nowhere")
    assert anyio.run(read_logs, tmp_path / "events.db")


def test_pages_are_lost_only_where_the_log_is_the_same_or_gone() -> None:
    before = WalMark(9, (1, 2), 3)
    assert lost_pages(before, WalMark(7, (1, 2), 3)) == 2
    assert lost_pages(before, WalMark(0, (0, 0), 0)) == 9
    for after in (WalMark(9, (1, 2), 3), WalMark(12, (1, 2), 9), WalMark(1, (2, 7), 0), None):
        assert lost_pages(before, after) == 0
    assert lost_pages(WalMark(9, (1, 2), 9), WalMark(0, (0, 0), 0)) == 0
    assert lost_pages(before, WalMark(0, (0, 0), 0, (1, 2))) == 0


def test_who_takes_the_log_over_and_closes_meanwhile_has_lost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.db"
    prepare(path, busy_timeout=1)
    other = schema.connect(path, busy_timeout=1)
    other.execute("CREATE TABLE other (number INTEGER)")

    def connect_late(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
        other.close()
        return connect(path, busy_timeout=busy_timeout)

    connect = schema.connect
    monkeypatch.setattr(schema, "connect", connect_late)
    before = wal_mark(path)
    assert before is not None
    assert before.pages > before.taken_over
    prepare(path, busy_timeout=1)


def test_an_index_that_is_half_written_is_not_relied_on(whole: tuple[dict[str, Path], Logs], tmp_path: Path) -> None:
    index = whole[0]["killed"] / "events.db-shm"
    assert wal_mark(index.with_name("events.db")) is not None
    assert wal_mark(tmp_path / "events.db") is None
    for number, content in enumerate((b"short", b"x" + index.read_bytes()[1:], bytes(1_000))):
        (tmp_path / f"{number}.db-shm").write_bytes(content)
        assert wal_mark(tmp_path / f"{number}.db") is None


def test_an_append_of_delayed_events_alone_is_whole(tmp_path: Path) -> None:
    async def delay() -> None:
        async with SQLiteStorage(tmp_path / "events.db") as storage:
            event = Event.create(type="t", source="/s").to_json()
            await storage.append(DEFAULT_BUS, [], append_id="1", delayed=[Delayed(1e9, event)])

    anyio.run(delay)
    assert check_storage(tmp_path / "events.db") == []
