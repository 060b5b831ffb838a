"""The messages of the stream: groups of commands, and parts of a group that is too large for one message.

A message whose sender is alone has a moment: the server's time in nanoseconds as the sender tells it, which then counts
for that at which the server stored it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from eventroute.errors import StorageError
from eventroute.storage.nats.command import Command
from eventroute.storage.nats.commands import COMMANDS

__all__ = ["Group", "Part", "decode", "decode_commands", "encode", "encode_commands", "events_of", "stamp"]


class Message(Struct, array_like=True):
    """`client` is a process's own name; it counts its messages from 1 on, by `serial`."""

    client: bytes
    serial: int


class Group(Message, tag=1):
    """Commands. Where parts went before, `commands` is the rest of what they began."""

    time: float | None
    """The time by a clock that was handed in; None: the server's."""
    commands: bytes
    moment: int | None = None


class Part(Message, tag=2):
    """The beginning of a group, or a part of it in the middle."""

    data: bytes
    moment: int | None = None


_encoder = msgspec.msgpack.Encoder()
_message = msgspec.msgpack.Decoder(Group | Part)
_commands = msgspec.msgpack.Decoder(list[COMMANDS])


def encode(message: Group | Part) -> bytes:
    """As it stands in the stream."""
    return _encoder.encode(message)


def decode(body: bytes) -> Group | Part:
    """From the stream. Raises StorageError."""
    try:
        message: Group | Part = _message.decode(body)
    except msgspec.DecodeError as error:
        raise StorageError(f"the stream holds a message that is not eventroute's: {error}") from error
    return message


def stamp(body: bytes, stored: int) -> int:
    """The time that counts for a message which the server stored at that one (nanoseconds). Raises StorageError."""
    moment = decode(body).moment
    return stored if moment is None else moment


def encode_commands(commands: Sequence[Command]) -> bytes:
    """The content of a group."""
    return _encoder.encode(commands)


def decode_commands(content: bytes) -> Sequence[Command]:
    """The commands of a group. Raises StorageError."""
    try:
        commands: Sequence[Command] = _commands.decode(content)
    except msgspec.DecodeError as error:
        raise StorageError(f"the stream holds a command that is unknown here ({error}): upgrade eventroute") from error
    return commands


def events_of(commands: Sequence[Command]) -> list[bytes]:
    """All events that commands bring, in order: what an event's number in its message counts."""
    return [event for command in commands for event in command.carried()]
