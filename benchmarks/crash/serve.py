"""`eventroute serve` under traffic, killed with signal 9 at random moments: what was answered 202 is never lost."""

from __future__ import annotations

import random
import time
from pathlib import Path

import anyio
from attrs import Factory, define

from benchmarks.crash.broker import Receiver, Sender, configure, receiving, serve
from eventroute.event import Event
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.base import DeadLetter
from eventroute.storage.sqlite import SQLiteStorage

__all__ = ["Served", "judge", "kill_serving"]

_LATEST = 0.3
"""How many seconds after its first 202 a broker is killed, at the latest."""


@define
class Served:
    """How it went."""

    kills: int = 0
    accepted: int = 0
    """Events that were answered 202."""
    delivered: int = 0
    refused: int = 0
    again: int = 0
    """How often an event came that had come before."""
    faults: list[str] = Factory(list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.accepted} events accepted; of them and those that had no answer"
            f" {self.delivered} delivered, {self.refused} refused, {self.again} came again;"
            f" {len(self.faults)} faults"
        )


def kill_serving(times: int, *, seed: int, folder: Path) -> Served:
    """Kill a broker so many times, each time while events come in and go out; then let one deliver what is left."""
    lot, sender, served = random.Random(seed), Sender(), Served()
    with receiving() as receiver:
        file = configure(folder, receiver.url)
        for _ in range(times):
            with serve(file) as broker, sender.sending(broker.port):
                sender.wait_for_accepted(1)
                time.sleep(lot.uniform(0, _LATEST))  # the moment must be any, not one that we can name
                broker.kill()
                served.kills += 1
        with serve(file) as broker:
            receiver.wait_until_all_came(sender.accepted)
            if (code := broker.stop()) != 0:
                served.faults.append(f"the last one ended with {code}: {broker.said}")
        served.faults += judge(sender, receiver, folder)
        answered = (*receiver.delivered.values(), *receiver.refused.values())
        served.accepted, served.again = len(sender.accepted), sum(answered) - len(answered)
        served.delivered, served.refused = len(receiver.delivered), len(receiver.refused)
    return served


def judge(sender: Sender, receiver: Receiver, folder: Path) -> list[str]:
    """What is wrong: each accepted event was delivered, or was refused and is a dead letter that says why."""
    letters = anyio.run(_settled, folder)
    buried = {Event.from_json(letter.event).id: letter.reason for letter in letters}
    lost = sender.accepted - receiver.delivered.keys() - buried.keys()
    wrong = {name for name, reason in buried.items() if reason != "http-400"}
    return [
        *(f"{name} is lost" for name in sorted(lost)),
        *(f"{name} was refused, and is no dead letter" for name in sorted(receiver.refused.keys() - buried.keys())),
        *(f"{name} was not refused, and is a dead letter" for name in sorted(buried.keys() - receiver.refused.keys())),
        *(f"the dead letter {name} says {buried[name]}" for name in sorted(wrong)),
        *(f"an answer to {answer}" for answer in sender.strange),
    ]


async def _settled(folder: Path) -> list[DeadLetter]:
    """Go on until nothing is owed any more, also what a process that was killed still holds; then the dead letters."""
    here = HttpSettings(addresses=AddressPolicy(networks=["127.0.0.0/8"]))
    async with Router(SQLiteStorage(folder / "events.db"), http=here) as router:
        held = await router.idle()
        if held:
            raise RuntimeError(f"{held} deliveries are held, and nothing is paused")
        return await router.deadletters(limit=100_000)
