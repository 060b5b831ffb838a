"""The machine that every process runs: messages of the stream in, the same tables everywhere out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from attrs import define, field, frozen
from msgspec import Struct

from eventroute.errors import StorageError
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.messages import Group, Part, decode, decode_commands, events_of
from eventroute.storage.nats.snapshots import KeptTables, TablesImage

__all__ = ["Applied", "Client", "Known", "Machine"]

MAX_CLIENTS = 10_000
"""How many processes are remembered: those heard of last."""


@define
class Client:
    """What is known of one process."""

    last: int = 0
    """The serial of its last message."""
    parts: list[bytes] = field(factory=list)
    """What it has sent of a group that is not whole yet."""
    sequences: list[int] = field(factory=list)
    """Where these parts are in the stream."""


class _Image(Struct, array_like=True):
    sequence: int
    stamp: int
    volume: int
    clients: list[tuple[bytes, int, list[bytes], list[int]]]
    tables: TablesImage


@frozen
class Applied:
    """What came of a message."""

    client: bytes
    serial: int
    counted: bool
    """False: it had come before, or one before it is missing; it has no effect."""
    commands: Sequence[Command] = ()
    results: Sequence[Any] = ()
    """Of each command; an exception where it was refused."""
    events: Sequence[bytes] = ()
    """The events that its commands bring, in order."""


class Known(NamedTuple):
    """What a message says, as whoever sent it knows."""

    message: Group
    commands: Sequence[Command]
    """What the message and the parts before it come to, each as it would be decoded."""


class Machine:
    """Not thread-safe: one thread owns it.

    A message counts only where it is the next one of its process, as that counts them. So a message that is sent again,
    since nobody knows whether it came, is applied once, and those of one process are applied in its order.
    """

    def __init__(self) -> None:
        self.sequence = 0
        """Of the last message."""
        self.stamp = 0
        """Its time, in nanoseconds: what tells it from another of that number."""
        self.volume = 0
        """The bytes of all messages so far."""
        self.tables = KeptTables()
        self.clients: OrderedDict[bytes, Client] = OrderedDict()

    def apply(self, sequence: int, stamp: int, body: bytes, known: Known | None = None) -> Applied:
        """Apply a message that the server stored at this time (nanoseconds), where it has no moment of its own.

        Raises StorageError where it is none of ours. `known`: what its body says, where that need not be found out.
        """
        message = decode(body) if known is None else known.message
        self.sequence, self.stamp = sequence, stamp if message.moment is None else message.moment
        self.volume += len(body)
        client = self.clients.get(message.client)
        if message.serial != (1 if client is None else client.last + 1):
            return Applied(message.client, message.serial, counted=False)
        if client is None:
            client = self.clients[message.client] = Client()
            if len(self.clients) > MAX_CLIENTS:
                self.clients.popitem(last=False)
        self.clients.move_to_end(message.client)
        client.last = message.serial
        if isinstance(message, Part):
            client.parts.append(message.data)
            client.sequences.append(sequence)
            return Applied(message.client, message.serial, counted=True)
        return self._apply_group(message, client, known)

    def _apply_group(self, group: Group, client: Client, known: Known | None) -> Applied:
        pieces, parts = [*client.parts, group.commands], tuple(client.sequences)
        client.parts, client.sequences = [], []
        if not group.commands:
            return Applied(group.client, group.serial, counted=True)
        commands = decode_commands(b"".join(pieces)) if known is None else known.commands
        now = max(self.tables.now, self.stamp / 1e9) if group.time is None else group.time
        self.tables.turn_to(self.sequence, parts, now)
        results = [self._result(command, now) for command in commands]
        return Applied(group.client, group.serial, True, commands, results, events_of(commands))

    def _result(self, command: Command, now: float) -> Any:
        try:
            return command.apply(self.tables, now)
        except Exception as error:  # noqa: BLE001 - who sent it gets it; the same everywhere
            return error
        finally:
            self.tables.pass_events(len(command.carried()))

    def dump(self) -> bytes:
        """All it knows: so that nobody needs the stream from its beginning."""
        clients = [(name, one.last, one.parts, one.sequences) for name, one in self.clients.items()]
        return msgspec.msgpack.encode(_Image(self.sequence, self.stamp, self.volume, clients, self.tables.image()))

    @classmethod
    def load(cls, content: bytes) -> Machine:
        """One that knows what another has dumped. Raises StorageError."""
        try:
            image = msgspec.msgpack.decode(content, type=_Image)
        except msgspec.DecodeError as error:
            raise StorageError(f"the snapshot cannot be read ({error}): upgrade eventroute") from error
        machine = cls()
        machine.sequence, machine.stamp, machine.volume = image.sequence, image.stamp, image.volume
        machine.clients = OrderedDict(
            (name, Client(last, parts, sequences)) for name, last, parts, sequences in image.clients
        )
        machine.tables = KeptTables.restored(image.tables)
        return machine
