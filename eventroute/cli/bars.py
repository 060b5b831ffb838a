"""Progress of long work, on the standard error where that is a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from eventroute.cli.terminal import plain

__all__ = ["Tell", "pulse", "stages"]

PATIENCE = 1.0
"""Seconds after which work is long that nobody can tell the length of."""

Tell = Callable[[str, int, int | None], None]
"""What is done, how much of it was done, and how much there is; None: nobody knows."""


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[Tell]:
    """Bars, one for each thing that is done. They are gone when the block ends. NO_COLOR is honoured."""
    if quiet or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415  # slow to import
    from rich.progress import Progress, TaskID  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(plain(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell


@contextmanager
def pulse(what: str | None) -> Iterator[None]:
    """A bar that only moves, where the block lasts longer than PATIENCE. None: there is none."""
    if what is None or not sys.stderr.isatty():
        yield
        return
    with ExitStack() as shown:

        def show() -> None:
            shown.enter_context(stages())(what, 0, None)

        timer = threading.Timer(PATIENCE, show)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
