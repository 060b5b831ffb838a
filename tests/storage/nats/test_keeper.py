"""Which snapshot a process begins with, while others take newer ones."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.nats import Place
from eventroute.errors import StorageError
from eventroute.storage.nats.keeper import Keeper
from eventroute.storage.nats.link import Refused
from eventroute.storage.nats.machine import Machine

pytestmark = pytest.mark.anyio


def state(sequence: int) -> Machine:
    machine = Machine()
    machine.sequence = sequence
    return machine


class Purged(Keeper):
    """The stream has the messages from `first` on, and newer snapshots come to be found one by one."""

    first: int
    newer: list[Machine]

    async def _fits(self, link: Any, machine: Machine) -> bool:
        return machine.sequence >= self.first

    async def _load(self, link: Any) -> Machine | None:
        return self.newer.pop(0) if self.newer else None


@pytest.mark.parametrize("newer", [[7], [5, 9]])
async def test_a_snapshot_behind_which_the_stream_was_purged_meanwhile_gives_way_to_a_newer_one(
    newer: list[int],
) -> None:
    keeper = Purged(Place("nats://127.0.0.1", "test").server())
    keeper.first, keeper.newer = newer[-1], [state(one) for one in newer]
    found: Any = await keeper._fitting(None, state(3))  # type: ignore[arg-type]
    assert found.sequence == newer[-1]


@pytest.mark.parametrize("newer", [[], [3], [4, 4]])
async def test_a_snapshot_of_another_stream_is_refused(newer: list[int]) -> None:
    keeper = Purged(Place("nats://127.0.0.1", "test").server())
    keeper.first, keeper.newer = 100, [state(one) for one in newer]
    with pytest.raises(StorageError, match="another one than its snapshot"):
        await keeper._fitting(None, state(3))  # type: ignore[arg-type]


class Refusing:
    """A server that cannot make a stream for so many times."""

    def __init__(self, code: int, times: int) -> None:
        self.code = code
        self.times = times

    async def ask(self, subject: str, _document: object) -> str:
        self.times -= 1
        if self.times >= 0:
            raise Refused(self.code, "error creating store for stream")
        return subject


@pytest.mark.parametrize("code", [10049, 10077])
async def test_a_stream_whose_folder_goes_while_it_is_made_is_made_again(anyio_backend_name: str, code: int) -> None:
    if anyio_backend_name != "asyncio":
        pytest.skip("the client's tasks are asyncio's, whatever asks it")
    keeper = Keeper(Place("nats://127.0.0.1", "test").server())
    made: Any = await keeper._create(Refusing(code, 2), {"name": "s"})  # type: ignore[arg-type]
    assert made == "STREAM.CREATE.s"
    for lasting in (Refusing(code, 99), Refusing(10047, 1)):
        with pytest.raises(Refused, match="error creating store"):
            await keeper._create(lasting, {"name": "s"})  # type: ignore[arg-type]
