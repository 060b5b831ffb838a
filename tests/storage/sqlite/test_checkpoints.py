from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import anyio
import pytest

from eventroute.clock import SystemClock
from eventroute.storage.base import DEFAULT_BUS
from eventroute.storage.jobs import AppendJob
from eventroute.storage.sqlite import SQLiteStorage, checkpoints, writer
from eventroute.storage.sqlite.checkpoints import Checkpoints, lengthen
from eventroute.storage.sqlite.schema import connect
from eventroute.storage.sqlite.wal import wal_mark
from eventroute.storage.sqlite.writer import WriteThread
from eventroute.storage.threads import Watchers
from eventroute.testing.storage.log import read_all

PAGE = 4_120  # bytes of a page in the log


class Appender:
    """A writer whose thread is the test's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name("events.db-wal")
        self.writer = WriteThread(path, SystemClock(), Watchers(), synchronous="FULL", busy_timeout=10)
        self.writer._begin()
        self.checkpoints = self.writer._checkpoints
        self._ids = count()

    def append(self, times: int, *, batch: int = 1, size: int = 500) -> None:
        """As a router does: each append acknowledges the one before."""
        for _ in range(times):
            number = next(self._ids)
            job = AppendJob(DEFAULT_BUS, [b"x" * size] * batch, str(number), [str(number - 1)])
            self.writer._work([job])
            assert job.error is None
            self.tidy()

    def tidy(self) -> None:
        """See to the log, and wait for what is done in a thread."""
        self.writer._tidy()
        if self.checkpoints._aside is not None:
            self.checkpoints._aside.exception(timeout=10)

    def is_due(self) -> bool:
        return self.checkpoints.is_due

    def is_unsettled(self) -> bool:
        return self.writer._unsettled

    @property
    def pages(self) -> int:
        """How many the log has."""
        mark = wal_mark(self.path)
        assert mark is not None
        return mark.pages


@pytest.fixture
def appender(path: Path) -> Iterator[Appender]:
    appender = Appender(path)
    yield appender
    appender.writer._end()


async def events(path: Path) -> int:
    async with SQLiteStorage(path) as storage:
        return len(await read_all(storage))


@pytest.fixture
def other(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process, as far as SQLite is concerned."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)) as other:
        other.execute("PRAGMA wal_autocheckpoint = 0")
        yield other


@pytest.mark.parametrize(
    "due", [{"_PAGES": 10}, {"_COMMITS_A_LOOK": 4, "WAL_BYTES": PAGE, "_PATIENCE": 0.0, "_LOOKS": 1}]
)
def test_nobody_begins_the_log_anew_while_it_is_taken_over(
    appender: Appender, other: sqlite3.Connection, due: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite before 3.51.3 loses what is committed, where one begins the log anew while another takes it over."""
    for name, value in due.items():
        monkeypatch.setattr(checkpoints, name, value)
    seen: list[str] = []

    def meanwhile(statement: str) -> None:
        if "wal_checkpoint" not in statement:
            return
        before = wal_mark(appender.path)
        if threading.current_thread() is threading.main_thread():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            seen.append("refused")
            return
        other.execute("PRAGMA busy_timeout = 10000")  # until the writer lets go
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        other.execute("PRAGMA busy_timeout = 0")
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")  # all of it, after which it could be begun anew
        other.execute("UPDATE host SET boot = 'another'")
        after = wal_mark(appender.path)
        assert before is not None
        assert after is not None
        seen.append("begun anew" if after.salts != before.salts else "written to")

    appender.checkpoints._connection.set_trace_callback(meanwhile)
    appender.append(40)
    assert len(seen) > 5
    assert {*seen} == {"written to", "refused"}
    assert seen[:2] == ["written to", "refused"]  # most of it, and then the rest
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")


def test_a_log_that_cannot_be_held_is_taken_over_alone(
    appender: Appender, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 10)
    monkeypatch.setattr(checkpoints, "wal_mark", lambda _path: None)
    refused: list[bool] = []

    def meanwhile(statement: str) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        refused.append("wal_checkpoint" in statement)

    appender.checkpoints._connection.set_trace_callback(meanwhile)
    appender.append(20)
    assert len(refused) > 3
    assert all(refused)


def test_a_log_that_is_in_the_file_to_its_end_is_not_held(appender: Appender, other: sqlite3.Connection) -> None:
    """Who reads it then has no part in it, and it can be begun anew."""
    appender.append(1)
    connection = appender.writer._tables.connection
    connection.execute("BEGIN IMMEDIATE")
    assert appender.checkpoints.hold()
    assert appender.checkpoints.take_over_held() == appender.pages
    assert not appender.checkpoints.hold()

    def finish(_statement: str) -> None:
        other.execute("PRAGMA wal_checkpoint(PASSIVE)")

    connection.execute("ROLLBACK")
    appender.append(1)
    appender.checkpoints._reader.set_trace_callback(finish)  # just as it begins to read
    connection.execute("BEGIN IMMEDIATE")
    assert not appender.checkpoints.hold()
    connection.execute("ROLLBACK")
    assert not appender.checkpoints._reader.in_transaction


def test_what_is_wrong_while_others_write_is_heard(appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 10)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR
    failures = [error]
    take_over = Checkpoints.take_over

    def fail(self: Checkpoints) -> int:
        if failures:
            raise failures.pop()
        return take_over(self)

    monkeypatch.setattr(Checkpoints, "take_over", fail)
    appender.append(1, batch=100)
    assert appender.is_due()
    assert not appender.checkpoints._reader.in_transaction
    assert not appender.is_unsettled()
    appender.tidy()
    assert appender.is_unsettled()
    appender.append(10)
    assert not appender.is_unsettled()


def test_who_closes_waits_for_what_is_under_way(appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 10)
    going, may_end = threading.Event(), threading.Event()

    def slowly(statement: str) -> None:
        if "wal_checkpoint" in statement and not going.is_set():
            going.set()
            assert may_end.wait(10)

    appender.checkpoints._connection.set_trace_callback(slowly)
    appender.writer._work([AppendJob(DEFAULT_BUS, [b"x" * 500] * 100, "first", [])])
    appender.writer._tidy()
    assert going.wait(10)
    closer = threading.Thread(target=appender.writer._end)
    closer.start()
    closer.join(0.05)
    assert closer.is_alive()
    may_end.set()
    closer.join(10)
    assert not appender.checkpoints._thread.is_alive()
    assert not appender.log.exists()


def test_the_log_is_taken_over_and_begun_anew(appender: Appender) -> None:
    appender.append(60, batch=100)  # some 1,300 pages
    assert 100 < appender.pages < 700
    assert appender.log.stat().st_size < 2_000 * PAGE
    assert appender.path.stat().st_size > 500 * 4_096
    appender.writer._end()
    assert not appender.log.exists()
    assert appender.path.stat().st_size > 800 * 4_096


def test_a_log_that_others_write_to_is_seen_to_later(appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 10)
    monkeypatch.setattr(writer, "_PATIENCE", 0.01)
    with closing(sqlite3.connect(appender.path, isolation_level=None)) as other:
        job = AppendJob(DEFAULT_BUS, [b"x" * 500] * 100, "first", [])
        appender.writer._work([job])
        other.execute("BEGIN IMMEDIATE")
        appender.tidy()
        assert appender.is_due()
        other.execute("ROLLBACK")
        for _ in range(2):  # most of it, and then the rest
            appender.tidy()
        assert not appender.is_due()
        assert not appender.writer._unsettled


@pytest.mark.parametrize(("batch", "times"), [(1, 250), (10, 100), (100, 40), (1_000, 4)])
def test_the_pages_of_the_log_are_guessed_well_enough(appender: Appender, batch: int, times: int) -> None:
    appender.append(1, batch=batch)
    before, guessed = appender.pages, appender.checkpoints._pages
    appender.append(times, batch=batch)
    assert appender.pages > before  # else it was begun anew
    assert 0.7 < (appender.checkpoints._pages - guessed) / (appender.pages - before) < 1.4


def test_the_file_of_the_log_grows_ahead_of_what_is_written(appender: Appender) -> None:
    appender.append(3)
    assert appender.log.stat().st_size < (appender.pages + 2) * PAGE  # who writes little gets no more than that
    sizes = set()
    for _ in range(20):
        appender.append(12)
        size = appender.log.stat().st_size
        assert appender.pages * PAGE < size < 3 * appender.pages * PAGE
        sizes.add(size)
    assert len(sizes) < 7
    appender.append(500)
    assert appender.log.stat().st_size < 2_000 * PAGE


@pytest.mark.parametrize("with_index", [False, True])
def test_what_is_behind_the_end_of_the_log_is_no_event(appender: Appender, tmp_path: Path, with_index: bool) -> None:
    appender.append(100)
    assert appender.log.read_bytes().endswith(bytes(10 * PAGE))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("events.db", "events.db-wal", *(["events.db-shm"] if with_index else [])):
        shutil.copy(tmp_path / name, copy)
    assert anyio.run(events, copy / "events.db") == 100


def test_readers_that_overlap_do_not_let_the_log_grow(appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 40)
    monkeypatch.setattr(checkpoints, "_COMMITS_A_LOOK", 4)
    monkeypatch.setattr(checkpoints, "WAL_BYTES", 50 * PAGE)
    ended = threading.Event()

    def read() -> None:
        with (
            closing(sqlite3.connect(appender.path, isolation_level=None)) as one,
            closing(sqlite3.connect(appender.path, isolation_level=None)) as two,
        ):
            while not ended.is_set():
                for begins, ends in ((one, two), (two, one)):
                    begins.execute("BEGIN")
                    begins.execute("SELECT count(*) FROM bus").fetchone()
                    if ends.in_transaction:
                        ends.execute("ROLLBACK")
                    ended.wait(0.002)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        appender.append(150, batch=10)  # some 1,100 pages
    finally:
        ended.set()
        reader.join()
    assert appender.log.stat().st_size < 400 * PAGE


def test_a_reader_that_stays_is_waited_for_once(appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_PAGES", 40)
    monkeypatch.setattr(checkpoints, "_COMMITS_A_LOOK", 4)
    monkeypatch.setattr(checkpoints, "WAL_BYTES", 50 * PAGE)
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    for times in (1, 2):
        with closing(sqlite3.connect(appender.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM bus").fetchone()
            appender.append(100, batch=10)
            assert appender.pages > 400
            assert len(naps) == checkpoints._LOOKS * times
        appender.append(20)
        assert appender.pages < 100  # nobody holds it up any more
        del naps[checkpoints._LOOKS * times :]  # the file is still as long as it was


def test_a_log_that_is_not_there_is_not_made_longer(tmp_path: Path) -> None:
    lengthen(tmp_path / "events.db-wal", 10_000)
    assert list(tmp_path.iterdir()) == []


def test_what_another_writes_to_a_log_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose file was moved away while it was open may find the log of another one by that name."""
    log = tmp_path / "events.db-wal"
    log.write_bytes(b"x" * 5_000)

    def zeros(size: int) -> bytes:
        with log.open("ab") as file:
            file.write(b"pages")
        return bytes(size)

    monkeypatch.setattr(checkpoints, "bytes", zeros, raising=False)
    lengthen(log, 7_000)
    assert log.read_bytes() == b"x" * 5_000 + b"pages" + bytes(2_000)


def test_the_log_is_found_behind_a_link(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "folder" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    appender = Appender(link)
    appender.append(40)
    assert wal_mark(link) == wal_mark(path) is not None
    assert path.with_name("events.db-wal").read_bytes().endswith(bytes(10 * PAGE))
    appender.writer._end()


def test_all_connections_wait_while_the_file_is_opened(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another storage of the same process closes, SQLite refuses for a moment."""
    patience: list[float] = []

    def connected(path: Path, *, busy_timeout: float) -> sqlite3.Connection:
        patience.append(busy_timeout)
        return connect(path, busy_timeout=busy_timeout)

    monkeypatch.setattr(writer, "connect", connected)
    Appender(path).writer._end()
    assert patience == [10, 10, 10]


def test_a_log_is_never_cut(tmp_path: Path) -> None:
    log = tmp_path / "events.db-wal"
    log.write_bytes(b"x" * 5_000)
    lengthen(log, 4_000)
    assert log.read_bytes() == b"x" * 5_000
    lengthen(log, 7_000)
    assert log.read_bytes() == b"x" * 5_000 + bytes(2_000)
