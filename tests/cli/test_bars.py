from __future__ import annotations

import io
import sys
import threading

import pytest

from eventroute.cli import bars
from eventroute.cli.bars import pulse, stages


@pytest.mark.parametrize(
    ("terminal", "quiet", "shown"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_what_is_done_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, quiet: bool, shown: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    with stages(quiet=quiet) as tell:
        for done in range(1, 3):
            tell("copying \x1b[31mevents", done, 2)
            tell("comparing events", done, 2)
        tell("vacuuming", 0, None)
    told = capsys.readouterr()
    assert told.out == ""
    assert ("comparing events" in told.err) is shown
    assert ("vacuuming" in told.err) is shown
    assert "\x1b[31m" not in told.err


class Screen(io.StringIO):
    """A terminal that says when something is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "searching" in text:
            self.written.set()
        return super().write(text)


def test_long_work_of_unknown_length_shows_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(bars, "PATIENCE", 0.0)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with pulse("searching"):
        assert screen.written.wait(60)


@pytest.mark.parametrize(("what", "patience"), [("searching", 600.0), (None, 0.0)])
def test_short_work_shows_nothing(monkeypatch: pytest.MonkeyPatch, what: str | None, patience: float) -> None:
    monkeypatch.setattr(bars, "PATIENCE", patience)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    with pulse(what):
        pass
    assert screen.getvalue() == ""
