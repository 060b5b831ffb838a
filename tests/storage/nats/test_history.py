"""A history that was recorded once comes to what it always came to: in every process, and in every later version.

Where this fails, the meaning of a command or the form of a message has changed, and processes of two versions that
share a storage would no longer be of one mind. Give what is new a command of its own, and leave the old ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from eventroute.errors import EventrouteError, StorageError
from eventroute.storage.nats.commands import COMMANDS
from eventroute.storage.nats.log_commands import CreateBus
from eventroute.storage.nats.machine import Applied, Machine
from eventroute.storage.nats.messages import Group, Part, encode, encode_commands, stamp

HISTORY = [json.loads(line) for line in (Path(__file__).parent / "history.jsonl").read_text().splitlines()]
CAME_TO = "b07be6b9e8274480785bf3f543740eaa240433a7c31ed7e267e1ee1664377fe1"


def apply(machine: Machine, place: int) -> Applied:
    stamp, body = HISTORY[place]
    return machine.apply(place + 1, stamp, bytes.fromhex(body))


def digest(machine: Machine) -> str:
    return hashlib.sha256(machine.dump()).hexdigest()


def test_it_comes_to_what_it_came_to() -> None:
    machine = Machine()
    applied = [apply(machine, place) for place in range(len(HISTORY))]
    kinds = {type(command).__name__ for one in applied for command in one.commands}
    assert kinds == {kind.__name__ for kind in COMMANDS.__args__}
    assert all(
        isinstance(result, EventrouteError)
        for one in applied
        for result in one.results
        if isinstance(result, Exception)
    )
    assert digest(machine) == CAME_TO


@pytest.mark.parametrize("cut", range(len(HISTORY)))
def test_a_snapshot_anywhere_changes_nothing(cut: int) -> None:
    machine = Machine()
    for place in range(cut):
        apply(machine, place)
    machine = Machine.load(machine.dump())
    for place in range(cut, len(HISTORY)):
        apply(machine, place)
    assert digest(machine) == CAME_TO


@pytest.mark.parametrize("place", [0, 4])
def test_a_message_counts_once_and_in_its_turn(place: int) -> None:
    """The fifth is the third one of its process."""
    machine = Machine()
    apply(machine, 0)
    before = msgspec.msgpack.encode(machine.tables.image())
    assert apply(machine, place) == Applied(b"a", (1, 0, 0, 0, 3)[place], counted=False)
    assert msgspec.msgpack.encode(machine.tables.image()) == before


def test_parts_that_end_in_nothing_do_nothing() -> None:
    machine = Machine()
    machine.apply(1, 1, encode(Part(b"c", 1, b"half")))
    assert machine.clients[b"c"].sequences == [1]
    assert machine.apply(2, 2, encode(Group(b"c", 2, None, b""))).commands == ()
    assert machine.clients[b"c"].parts == []
    assert machine.tables.buses() == ()


def test_a_moment_of_its_own_counts_for_when_it_was_stored_and_time_never_goes_back() -> None:
    machine = Machine()
    commands = encode_commands([CreateBus("b", None)])
    for place, (stored, moment, now) in enumerate(
        [(5, None, 5), (8, 6, 6), (9, 3, 6), (7, None, 7), (20, 7, 7), (1, 30, 30)], 1
    ):
        body = encode(Group(b"c", place, None, commands, None if moment is None else moment * 10**9))
        machine.apply(place, stored * 10**9, body)
        assert machine.tables.now == now
        assert machine.stamp == stamp(body, stored * 10**9) == (moment or stored) * 10**9
    machine.apply(7, 40, encode(Part(b"c", 7, b"", 35)))
    assert machine.stamp == 35


@pytest.mark.parametrize("body", [b"", b"hello", b"\x91\x01", encode(Group(b"c", 1, None, b"\x91\x91\xcd\x03\xe7"))])
def test_what_is_not_understood_stops_it(body: bytes) -> None:
    with pytest.raises(StorageError, match=r"not eventroute's|upgrade eventroute"):
        Machine().apply(1, 1, body)


def test_a_damaged_snapshot_is_refused() -> None:
    with pytest.raises(StorageError, match="upgrade eventroute"):
        Machine.load(b"\x93\x01")
