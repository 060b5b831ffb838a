"""What a process has to send, in its order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import StorageFull
from eventroute.storage.base import Session
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.log_commands import Append
from eventroute.storage.nats.machine import Applied, Machine
from eventroute.storage.nats.messages import Group, decode
from eventroute.storage.nats.outbox import Outbox
from eventroute.storage.nats.requests import Change
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.snapshots import KeptTables
from eventroute.storage.nats.work_commands import CloseSession


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(Server(addresses=("nats://h",), max_bytes=1 << 20), lambda: None)


def ask(outbox: Outbox, command: Command) -> Change[Any]:
    job: Change[Any] = Change(lambda _tables: command)
    outbox.queue.append(job)
    return job


def close(name: str) -> Command:
    return CloseSession(Session(name, 1.0))


def bring(number: int, *events: bytes) -> Command:
    return Append(str(number), number, events, "id", (), (), None)


def test_a_message_has_events_of_one_bus_and_no_more_than_fits(outbox: Outbox) -> None:
    jobs = [
        ask(outbox, command) for command in (bring(1, b"1"), close("s"), bring(1, b"2"), bring(2, b"3"), close("t"))
    ]
    sizes = [len(outbox.pack(KeptTables(), 1_000)[0].jobs) for _ in range(2)]
    assert sizes == [3, 2]
    assert [sent.subject[-5:] for sent in outbox.sent] == ["log.1", "log.2"]
    assert [job for sent in outbox.sent for job in sent.jobs] == jobs
    ask(outbox, bring(1, b"x" * 500))
    ask(outbox, bring(1, b"x" * 500))
    assert len(outbox.pack(KeptTables(), 1_000)[0].jobs) == 1


def test_what_cannot_be_written_is_refused_alone(outbox: Outbox) -> None:
    odd, withdrawn = ask(outbox, bring(1, object())), ask(outbox, close("w"))  # type: ignore[arg-type]
    withdrawn.withdrawn = True
    good = ask(outbox, close("s"))
    assert outbox.pack(KeptTables(), 1_000)[0].jobs == [good]
    assert outbox.refused == [odd, withdrawn]
    assert isinstance(odd.error, TypeError)


def test_where_there_is_no_room_events_are_refused_and_the_ledger_goes_on(outbox: Outbox) -> None:
    outbox.room = 0
    full, good = ask(outbox, bring(1, b"1")), ask(outbox, close("s"))
    assert outbox.pack(KeptTables(), 1_000)[0].jobs == [good]
    assert isinstance(full.error, StorageFull)
    assert "90 % of its max_bytes of 1048576" in str(full.error)


def test_what_is_void_says_nothing_in_all_its_parts(outbox: Outbox) -> None:
    job, other = ask(outbox, bring(1, b"x" * 3_000)), ask(outbox, close("s"))
    assert len(outbox.pack(KeptTables(), 1_000)) == 4
    outbox.pack(KeptTables(), 1_000)
    assert outbox.may_send(6)
    assert not outbox.may_send(5)
    assert outbox.void(outbox.sent[1]) == [job]
    assert not outbox.may_send(6)
    machine = Machine()
    for place, sent in enumerate(list(outbox.sent), 1):
        applied = machine.apply(place, place, sent.body)
        assert outbox.settle(applied) is sent
        assert outbox.settle(applied) is None
    assert list(outbox.sent) == []
    assert other.error is None
    assert machine.clients[outbox.client].parts == []


@given(st.lists(st.integers(0, 20), min_size=1, max_size=20), st.integers(1, 3_000))
def test_no_two_messages_have_the_same_moment_nor_do_they_go_back(moments: list[int], size: int) -> None:
    outbox = Outbox(Server(addresses=("nats://h",)), lambda: None)
    machine = Machine()
    for moment in moments:
        ask(outbox, bring(1, b"x" * size))
        for sent in outbox.pack(KeptTables(), 1_000, moment):
            before = machine.stamp
            machine.apply(machine.sequence + 1, 1 << 60, sent.body)
            assert machine.stamp == sent.moment
            assert machine.stamp > before or not before
    outbox.void(outbox.sent[-1])
    assert decode(outbox.sent[-1].body).moment == outbox.sent[-1].moment


def test_what_has_come_unseen_is_passed_by(outbox: Outbox) -> None:
    first = ask(outbox, close("s"))
    outbox.pack(KeptTables(), 1_000)
    second = ask(outbox, close("t"))
    outbox.pack(KeptTables(), 1_000)
    assert outbox.pass_by(1) == [first]
    assert [sent.jobs for sent in outbox.sent] == [[second]]


def test_who_is_known_no_more_begins_anew(outbox: Outbox) -> None:
    jobs = [ask(outbox, close("s")), ask(outbox, close("t"))]
    outbox.pack(KeptTables(), 1_000)
    before = outbox.client
    assert outbox.settle(Applied(before, 1, counted=False)) is None
    outbox.begin_anew()
    (sent,) = outbox.pack(KeptTables(), 1_000)
    assert sent.jobs == jobs
    message = decode(sent.body)
    assert isinstance(message, Group)
    assert message.serial == 1
    assert message.client != before
