"""What a process has sent, or has still to send: its changes as messages, in its order, each until it is settled."""

from __future__ import annotations

import math
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from attrs import define
from msgspec import Raw, msgpack, to_builtins

from eventroute.errors import EventrouteError, StorageFull
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.log_commands import Append, Import
from eventroute.storage.nats.machine import Applied, Known
from eventroute.storage.nats.messages import Group, Part, encode, encode_commands
from eventroute.storage.nats.requests import Change
from eventroute.storage.nats.server import Server
from eventroute.storage.nats.tables import StreamTables
from eventroute.storage.text import replaced

__all__ = ["Outbox", "Sent"]

T = TypeVar("T")

_OVERHEAD = 192
"""More than a message has beside its commands, headers included."""

_MOST = 1_000  # commands in a message


@define(eq=False)
class Sent:
    """A message on its way."""

    serial: int
    subject: str
    body: bytes
    jobs: Sequence[Change[Any]]
    group: int
    """Those of one number belong together: the parts of one message."""
    tag: bytes
    """What it is told by when it comes back; no two messages that say different things have the same."""
    known: Known | None = None
    """What it says, where that need not be found out when it comes back."""
    moment: int | None = None
    """Its time, in nanoseconds; None: that at which the server stores it."""
    asked: bool = False
    """Whether an answer was asked for."""
    void: bool = False
    """Whether what it says is not wanted any more. If it has not come by now, one that says nothing takes its place."""


class Outbox:
    """Messages in order. Each has the next serial of this process, whose name nobody else has."""

    def __init__(self, server: Server, time: Callable[[], float | None]) -> None:
        self._server = server
        self.time = time
        self._be_named()
        self._groups = 0
        self._moment = 0
        self.queue: deque[Change[Any]] = deque()
        """What has no message yet."""
        self.sent: deque[Sent] = deque()
        """What is not settled."""
        self.room = math.inf
        """How many bytes of events the stream takes yet, as far as is known."""
        self.refused: list[Change[Any]] = []
        """What came to nothing before it had a message; whoever packs takes them."""

    def _be_named(self) -> None:
        self.client = secrets.token_bytes(12)
        self._name = self.client.hex().encode()
        self._serial = 0

    # -- making messages -------------------------------------------------------------------------------------------

    def pack(self, tables: StreamTables, limit: int, moment: int | None = None) -> list[Sent]:
        """Make a message of what is first in the queue, or as many as it needs; none has more than `limit` bytes. Each
        has a moment of its own, from the one given on.

        A message holds events of one bus at the most, so that the server can tell which bus it is needed for.
        """
        jobs: list[Change[Any]] = []
        written: list[Raw] = []
        size, number = _OVERHEAD, None
        while self.queue and len(jobs) < _MOST:
            job = self.queue[0]
            command = self._command(job, tables)
            if command is None:
                continue
            bus = command.log()
            if bus is not None and number not in (None, bus):
                break
            raw = self._encoded(job, command)
            if raw is None:
                continue
            if jobs and size + len(raw) > limit:
                break
            self.queue.popleft()
            jobs.append(job)
            written.append(Raw(raw))
            size += len(raw)
            number = number if bus is None else bus
        return self._messages(jobs, written, number, limit, moment) if jobs else []

    def _command(self, job: Change[Any], tables: StreamTables) -> Command | None:
        """What the first of the queue wants; None: it wants nothing any more, and is gone."""
        if not job.withdrawn and job.command is None:
            try:
                job.command = job.make(tables)
            except EventrouteError as error:
                job.error = error
        if self.room <= 0 and isinstance(job.command, Append | Import):
            job.command, job.error = (
                None,
                StorageFull(
                    f"{self._server.where}: the stream has reached 90 % of its max_bytes of {self._server.max_bytes}: "
                    "keep less by the retention of its buses, or raise it"
                ),
            )
        if job.withdrawn or job.command is None:
            self.queue.popleft()
            self.refused.append(job)
            return None
        return job.command

    def _encoded(self, job: Change[Any], command: Command) -> bytes | None:
        """The first of the queue as it is written; None: it cannot be, and is gone."""
        try:
            try:
                return msgpack.encode(command)
            except UnicodeEncodeError:  # it is about a name that is no text, and so nobody's
                return msgpack.encode(replaced(to_builtins(command, builtin_types=(bytes,))))
        except (TypeError, ValueError, OverflowError) as error:
            job.error = error
            self.queue.popleft()
            self.refused.append(job)
            return None

    def _messages(
        self, jobs: Sequence[Change[Any]], written: Sequence[Raw], number: int | None, limit: int, moment: int | None
    ) -> list[Sent]:
        content: Any = written
        commands = encode_commands(content)
        room = limit - _OVERHEAD
        cuts = range(0, len(commands), room)
        self._groups += 1
        subject = self._server.ledger if number is None else self._server.log(number)
        made = []
        for begin in cuts:
            self._serial += 1
            data = commands[begin : begin + room]
            last = begin == cuts[-1]
            tag = b"%b.%d" % (self._name, self._serial)
            if moment is not None:
                moment = self._moment = max(moment, self._moment + 1)
            if last:
                group = Group(self.client, self._serial, self.time(), data, moment)
                known = _known(group, jobs)
                made.append(Sent(self._serial, subject, encode(group), jobs, self._groups, tag, known, moment))
            else:
                part = Part(self.client, self._serial, data, moment)
                made.append(Sent(self._serial, subject, encode(part), (), self._groups, tag, None, moment))
        self.sent += made
        self.room -= len(commands)
        return made

    def may_send(self, window: int) -> bool:
        """Whether there may be one more on its way. While it is open what came of a change that was given up, there may
        not: what takes it back goes first.
        """
        return len(self.sent) < window and not any(one.void for one in self.sent)

    def first(self, tag: bytes) -> Sent | None:
        """The message of this tag, where it is the first that is not settled."""
        return self.sent[0] if self.sent and self.sent[0].tag == tag else None

    # -- what becomes of them --------------------------------------------------------------------------------------

    def settle(self, applied: Applied) -> Sent | None:
        """A message of this process was applied: the one it was, which is settled."""
        if not applied.counted or not self.sent or self.sent[0].serial != applied.serial:
            return None
        return self.sent.popleft()

    def pass_by(self, last: int) -> list[Change[Any]]:
        """All up to this serial has come, at a time that was not looked at; the jobs of that."""
        jobs: list[Change[Any]] = []
        while self.sent and self.sent[0].serial <= last:
            jobs += [job for job in self.sent.popleft().jobs if not job.finished]
        return jobs

    def void(self, sent: Sent) -> list[Change[Any]]:
        """Have a message, and what belongs to it, say nothing; the jobs that it had."""
        jobs: list[Change[Any]] = []
        for one in self.sent:
            if one.group == sent.group and not one.void:
                one.void, one.known = True, None
                one.tag += b".void"
                one.subject = self._server.ledger
                one.body = encode(Group(self.client, one.serial, None, b"", one.moment))
                jobs += one.jobs
        return jobs

    def begin_anew(self) -> None:
        """Nobody knows this process any more, and none of what it has sent has come: another name, from 1 on."""
        jobs = [job for one in self.sent if not one.void for job in one.jobs]
        self._be_named()
        self.sent.clear()
        self.queue.extendleft(reversed(jobs))


def _known(group: Group, jobs: Sequence[Change[Any]]) -> Known | None:
    """Appends of events alone come back as they were; what is made of other commands may be of other types."""
    commands = [job.command for job in jobs if isinstance(job.command, Append) and not job.command.delayed]
    return Known(group, commands) if len(commands) == len(jobs) else None
