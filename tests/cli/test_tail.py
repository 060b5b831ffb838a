from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from eventroute.buses import LoggedEvent
from eventroute.cli import tail
from eventroute.cli.commands import commands
from eventroute.cli.eventrows import TITLES, cells_of
from eventroute.cli.tables import columns_of
from eventroute.cli.tail import Layout
from eventroute.event import Event
from eventroute.testing.strategies import events

INTERRUPTS = pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="runs where Ctrl-C is ignored"
)


def invoke(*arguments: str, stdin: str | bytes | None = None, code: int = 0) -> str:
    result: Result = CliRunner().invoke(commands, ["events", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code == code, result.output
    return result.output


def event(name: str, type: str = "order.made", **more: Any) -> Event:
    return Event.create(id=name, type=type, source="/shop", data={"n": 2**70}, **more)


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/events.db"
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    lines = b"\n".join(event(str(n), "order.paid" if n % 2 else "order.made").to_json() for n in range(1, 6))
    assert invoke("put", "-", "--create", stdin=lines) == "published: 5\n"
    return url


def lines_of(layout: Layout, capsys: pytest.CaptureFixture[str], *logged: LoggedEvent) -> list[str]:
    capsys.readouterr()
    layout.print_titles()
    for one in logged:
        layout.print_cells(cells_of(one))
    return capsys.readouterr().out.splitlines()


MOMENT = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
PLAIN = LoggedEvent(17, MOMENT, event("A-1", subject="customer-17"))
LONG = LoggedEvent(
    123_456,
    MOMENT,
    Event.create(
        id="7f9c1de2-9d0a-4c55-bb5e-1f6c8e0a2d11",
        type="com.example.shop.order.has.been.paid",
        source="https://shop.example.com/orders",
        subject="注文\u202e-99",
        data="x" * 40_000,
    ),
)


def test_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(Layout(80), capsys, PLAIN, LONG) == [
        "offset  appended        type         source      subject    id              size",
        "    17  03-01 12:30:15  order.made   /shop       customer…  A-1              166",
        "123456  03-01 12:30:15  com.exampl…  https://s…  注文\\u20…  7f9c1de2-9d0…    40k",
    ]


def test_at_120_columns_there_is_the_year(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines_of(Layout(120), capsys, PLAIN, LONG)
    assert shown[1].split() == ["17", "2026-03-01T12:30:15Z", "order.made", "/shop", "customer-17", "A-1", "166"]
    assert {columns_of(line) for line in shown} == {120}


def test_at_40_columns_some_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines_of(Layout(40), capsys, PLAIN) == [
        "appended        type         id",
        "03-01 12:30:15  order.made   A-1",
    ]


def test_in_a_pipe_nothing_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    titles, plain, long = lines_of(Layout(None), capsys, PLAIN, LONG)
    assert titles.index("source") == plain.index("/shop")
    assert long.split() == [
        "123456",
        "2026-03-01T12:30:15Z",
        "com.example.shop.order.has.been.paid",
        "https://shop.example.com/orders",
        "注文\\u202e-99",
        "7f9c1de2-9d0a-4c55-bb5e-1f6c8e0a2d11",
        "40k",
    ]


@given(events(), st.integers(32, 250), st.integers(1, 10**6 - 1))
def test_a_line_fits_and_no_event_is_obeyed(one: Event, width: int, offset: int) -> None:
    from unittest.mock import patch  # noqa: PLC0415

    printed: list[str] = []
    with patch("eventroute.cli.tables.print_line", printed.append):
        layout = Layout(width)
        layout.print_titles()
        layout.print_cells(cells_of(LoggedEvent(offset, MOMENT, one)))
    assert all(columns_of(line) <= width and line.isprintable() for line in printed)
    assert set(layout.widths) <= set(TITLES)
    assert {"appended", "type", "id"} <= set(layout.widths)


def test_the_newest_ones_come_last() -> None:
    titles, *rows = invoke("tail", "-n", "2").splitlines()
    assert titles.split() == list(TITLES)
    assert [line.split()[0] for line in rows] == ["4", "5"]
    assert [json.loads(line)["offset"] for line in invoke("tail", "--json").splitlines()] == [1, 2, 3, 4, 5]
    assert invoke("tail", "-n", "0") == ""


def test_a_terminal_that_changes_its_width_has_titles_again(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = iter([80, 80, 60])
    monkeypatch.setattr(tail, "terminal_width", lambda: next(widths))
    lines = invoke("tail", "-n", "3").splitlines()
    assert [line.split()[0] for line in lines] == ["offset", "3", "4", "offset", "5"]
    assert "size" in lines[0]
    assert "size" not in lines[3]


def test_of_those_that_match_the_newest_are_shown() -> None:
    rows = invoke("tail", "-n", "2", "--filter", "type = 'order.made'").splitlines()[1:]
    assert [line.split()[0] for line in rows] == ["2", "4"]
    said = invoke("tail", "-n", "2", "--filter", "type = 'order.made'", "--scan", "3")
    assert "not looked at: what is before offset 3; --scan looks further" in said
    assert [line.split()[0] for line in said.splitlines() if "/shop" in line] == ["4"]
    assert len(invoke("tail", "-n", "2", "--filter", "id = '4'", "--scan", "3", "--json").splitlines()) == 1


@contextmanager
def following(storage: str, *options: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "eventroute", "events", "tail", "-n", "1", "--follow", "--storage", storage]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@INTERRUPTS
def test_following_goes_on_until_interrupted(storage: str) -> None:
    with following(storage, "--filter", "type = 'order.paid'") as process:
        assert process.stdout is not None
        assert process.stdout.readline().split() == list(TITLES)
        assert process.stdout.readline().split()[0] == "5"
        invoke("put", "-", stdin=b"\n".join([event("not").to_json(), event("new", "order.paid").to_json()]))
        assert process.stdout.readline().split()[-2] == "new"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@INTERRUPTS
def test_following_as_json(storage: str) -> None:
    with following(storage, "--json") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["offset"] == 5
        invoke("put", "-", stdin=event("new").to_json())
        told = json.loads(process.stdout.readline())
        assert (told["event"]["id"], told["event"]["data"]["n"]) == ("new", 2**70)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def on_terminal(storage: str, width: int, *arguments: str, **environment: str) -> tuple[int, str]:
    """What a command prints on a terminal of a width, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [sys.executable, "-m", "eventroute", "events", *arguments, "--storage", storage]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env={**os.environ, **environment}) as process:
        os.close(theirs)
        printed = b""
        try:
            while some := os.read(ours, 65_536):
                printed += some
        except OSError:  # how Linux says that the other side is closed
            pass
        os.close(ours)
        code = process.wait(60)
    return code, printed.decode().replace("\r\n", "\n")


def test_on_a_terminal_it_has_colours_and_its_width(storage: str) -> None:
    hostile = Event.create(id="x", type="t", source="/s", subject="\u202e\u200b" + "y" * 200)
    invoke("put", "-", stdin=hostile.to_json())
    for arguments in (("tail",), ("list",), ("find",)):
        code, printed = on_terminal(storage, 72, *arguments, TERM="xterm")
        bare = re.sub(r"\x1b\[[0-9;]*m", "", printed)
        assert code == 0
        assert bare.isprintable() or bare.replace("\n", "").isprintable()
        assert max(map(len, bare.splitlines())) <= 72
        assert "\x1b[36m" in printed
        assert "\\u202" in bare
        assert "…" in bare
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_terminal(storage, 72, "tail", **environment)[1]
    assert "\x1b[36m" in invoke_with(FORCE_COLOR="1")
    assert "\x1b" not in invoke_with(FORCE_COLOR="1", NO_COLOR="1")


def invoke_with(**environment: str) -> str:
    return CliRunner(env=environment).invoke(commands, ["events", "tail"]).output
