"""The demo's course: one webhook that somebody waits for, one that nobody does."""

from __future__ import annotations

from pathlib import Path

from eventroute.demo.screen import Screen
from eventroute.demo.stage import STARRED, set_up
from eventroute.demo.webhook import Webhook

__all__ = ["play"]


async def play(file: Path, *, kept: bool) -> bool:
    """Play the demo with the log in `file`, and print it. Returns whether all went as it should.

    Raises OSError where there is no loopback, StorageError where the file cannot be made.
    """
    screen = Screen()
    async with set_up(file) as stage:
        screen.introduce(stage, file)
        star = await stage.play(Webhook.sample("star"), {"stars-to-slack": STARRED})
        screen.show("Somebody stars the repository", star, stage)
        issue = await stage.play(Webhook.sample("issues"), {})
        screen.show("Somebody opens an issue", issue, stage)
    faults = [*star.faults, *issue.faults]
    screen.conclude(faults, file if kept else None)
    return not faults
