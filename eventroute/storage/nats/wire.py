"""What servers write, as it is read."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import Struct

__all__ = ["TAGGED", "Answer", "Fault", "answer_of", "last_of", "nanoseconds", "status_of", "tag_of", "told_of"]

_NANO = 1_000_000_000

TAGGED = b"NATS/1.0\r\nEventroute: "
"""What stands before the tag in the headers of a message."""


class Fault(Struct):
    """Why something is not done."""

    err_code: int = 0
    """JetStream's number of the error; 0: it has none."""
    description: str = "refused"


class Answer(Struct):
    """To a message for a stream."""

    seq: int = 0
    """Its number, where it is stored."""
    error: Fault | None = None


_decoder = msgspec.json.Decoder(Answer)


def answer_of(data: bytes) -> Answer:
    """What an answer says; where there is no stream, one is empty. Raises msgspec.DecodeError."""
    return _decoder.decode(data) if data else Answer(error=Fault(description="nobody answers"))


def nanoseconds(text: str) -> int:
    """Since the epoch, of a time in RFC 3339 as the server writes it: UTC, with up to nine digits of a second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * _NANO + int(fraction.ljust(9, "0"))


def tag_of(headers: bytes | None) -> bytes:
    """What the sender of a message tells it by; empty: nothing."""
    return headers[len(TAGGED) :].partition(b"\r\n")[0] if headers and headers.startswith(TAGGED) else b""


def status_of(headers: bytes | None) -> tuple[bytes, bytes]:
    """The number and the text of a message that the server itself sends: `NATS/1.0 409 Message Size Exceeds ...`."""
    _, _, line = (headers or b"").partition(b"\r\n")[0].partition(b" ")
    status, _, description = line.partition(b" ")
    return status, description


def last_of(headers: bytes | None) -> int:
    """The message of the stream up to which a consumer has sent all, as its sign of life says; 0: it does not."""
    last = (headers or b"").partition(b"\r\nNats-Last-Stream: ")[2].partition(b"\r\n")[0]
    return int(last) if last.isdigit() else 0


def told_of(error: Exception) -> str:
    """What the client says, which is mostly what the server did, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
