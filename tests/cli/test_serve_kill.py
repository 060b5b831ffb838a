"""`eventroute serve` under traffic, killed at random moments: what was answered 202 is never lost."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import anyio

from eventroute.storage.base import DeadLetter
from eventroute.storage.sqlite import SQLiteStorage
from tests.cli.serving import Receiver, Sender, configure, receiving, serve

ROUNDS = 20


async def _dead_letters(folder: Path) -> list[DeadLetter]:
    async with SQLiteStorage(folder / "events.db") as storage:
        return await storage.dead_letters("default", limit=100_000)


def dead(folder: Path) -> list[DeadLetter]:
    return anyio.run(_dead_letters, folder)


def judge(sender: Sender, receiver: Receiver, folder: Path) -> None:
    """Every accepted event was delivered, or is a dead letter that says why."""
    buried = {letter.event.split(b'"id": "')[1].split(b'"')[0].decode(): letter.reason for letter in dead(folder)}
    lost = sender.accepted - receiver.delivered.keys() - buried.keys()
    assert lost == set()
    assert buried.keys() == receiver.refused.keys()
    assert set(buried.values()) <= {"http-400"}
    assert sender.strange == []


def test_nothing_is_lost_whenever_it_is_killed(tmp_path: Path) -> None:
    chance = random.Random(20)
    sender = Sender()
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        for _ in range(ROUNDS):
            with serve(file) as broker, sender.sending(broker.port):
                sender.wait_for_accepted(1)
                threading.Event().wait(chance.uniform(0, 0.3))  # the moment must be any, not one that we can name
                broker.kill()
        with serve(file) as broker:
            receiver.wait_until_all_came(sender.accepted)
            assert broker.stop() == 0
        assert len(sender.accepted) >= ROUNDS
        judge(sender, receiver, tmp_path)


def test_after_a_clean_stop_nothing_comes_twice(tmp_path: Path) -> None:
    sender = Sender()
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        for _ in range(3):
            with serve(file) as broker, sender.sending(broker.port):
                sender.wait_for_accepted(100)
                assert broker.stop() == 0
                assert broker.said[-1] == "stopped"
        with serve(file) as broker:
            receiver.wait_until_all_came(sender.accepted)
            assert broker.stop() == 0
        judge(sender, receiver, tmp_path)
        assert set(receiver.delivered.values()) | set(receiver.refused.values()) == {1}
        assert receiver.delivered.keys() | receiver.refused.keys() == sender.accepted
