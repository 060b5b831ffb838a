"""What aiohttp's parser reads, and what it would lose of an answer that has a fault behind its head."""

from __future__ import annotations

from typing import Any, cast

from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

__all__ = ["AnswerParser", "is_interim"]

KEPT = 65_536
"""So many bytes are kept while the head of an answer is not here, and what came in one piece with the last of them."""

MAX_LINES = 1_000
"""So many lines are read again; the head of an answer has far fewer."""

_Messages = list[tuple[RawResponseMessage, StreamReader]]


def is_interim(status: int) -> bool:
    """Whether another answer follows on the same request (RFC 9110, section 15.2)."""
    return 100 <= status < 200 and status != 101


class AnswerParser:
    """Stands before the parser of a connection for one request.

    A parser that finds a fault tells nothing of what came in the same piece, the head of an answer included; and who
    waits for the rest of a body is not told that none comes. But the status decides, whatever the body is: so the head
    is read again then, and the body ends where the fault is.
    """

    def __init__(self, protocol: ResponseHandler) -> None:
        self.cut = False
        """Whether the body ends before its end."""
        self._protocol = protocol
        self._parser = self._made()
        self._came: list[bytes] = []
        """The pieces in which the head is."""
        self._size = 0
        self._interim = 0
        """How many answers came before the one that counts."""
        self._body: StreamReader | None = None
        self._broken = False

    def _made(self) -> Any:
        protocol = self._protocol
        protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        parser = protocol._parser  # noqa: SLF001 - nothing else hears of faults before what was read is gone
        protocol._parser = cast("Any", self)  # noqa: SLF001
        return parser

    def feed_data(self, data: bytes) -> tuple[_Messages, bool, bytes]:
        """Take what came. Raises HttpProcessingError where the fault is in the head, or behind all of an answer."""
        if self._broken:
            return [], False, b""
        if self._body is None and self._size < KEPT:
            self._came.append(data)
            self._size += len(data)
        try:
            messages, upgraded, rest = self._parser.feed_data(data)
        except HttpProcessingError:
            found = self._read_again()
            if self._body is None or (self._body.is_eof() and not found):
                raise
            self._break_off(self._body)
            return found, False, b""
        if messages:
            self._note(messages)
        return messages, upgraded, rest

    def _note(self, messages: _Messages) -> None:
        for message, body in messages:
            if is_interim(message.code):
                self._interim += 1
            elif self._body is None:
                self._body = body
                self._came.clear()

    def _read_again(self) -> _Messages:
        """The answers whose heads came whole in the piece that has a fault; after the one that counts no other."""
        if self._body is not None:
            return []
        came, start, told = b"".join(self._came), 0, self._interim
        found: _Messages = []
        self._interim = 0
        parser = self._parser = self._made()
        try:
            for _ in range(MAX_LINES):
                end = came.find(b"\n", start) + 1 or len(came)
                messages = parser.feed_data(came[start:end])[0]
                self._note(messages)
                found += messages
                start = end
                if self._body is not None or start == len(came):
                    break
            parser.feed_data(came[start:])
        except HttpProcessingError:
            pass  # here it is
        return found[told:]

    def _break_off(self, body: StreamReader) -> None:
        self._broken = True
        self._protocol.force_close()
        if not body.is_eof():
            self.cut = True
            body.feed_eof()

    def feed_eof(self) -> RawResponseMessage | None:
        """The connection has ended."""
        return None if self._broken else self._parser.feed_eof()

    def pause_reading(self) -> None:
        """The body is not to grow for now."""
        self._parser.pause_reading()
