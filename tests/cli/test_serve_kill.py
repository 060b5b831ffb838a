"""`eventroute serve` under traffic, killed at random moments: what was answered 202 is never lost."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import anyio

from eventroute.event import Event
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.base import DeadLetter
from eventroute.storage.sqlite import SQLiteStorage
from tests.cli.serving import Receiver, Sender, configure, receiving, serve

ROUNDS = int(os.environ.get("KILL_ROUNDS", "20"))
"""How often it is killed; `KILL_ROUNDS=200 pytest tests/cli/test_serve_kill.py` is the long run."""


async def settled(folder: Path) -> list[DeadLetter]:
    """Go on until nothing is owed any more, also what a process that was killed still holds; then the dead letters."""
    here = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"]))
    async with Router(SQLiteStorage(folder / "events.db"), http=here) as router:
        assert await router.idle() == 0
        return await router.deadletters(limit=100_000)


def judge(sender: Sender, receiver: Receiver, folder: Path) -> None:
    """Every accepted event was delivered, or is a dead letter that says why."""
    letters = anyio.run(settled, folder)
    buried = {Event.from_json(letter.event).id: letter.reason for letter in letters}
    assert sender.accepted - receiver.delivered.keys() - buried.keys() == set()
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
