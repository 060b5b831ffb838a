"""One connection of the HTTP client on trio: a request goes out, and h11 reads what comes back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

import h11
import trio
from attrs import define, field

from eventroute.push.sinks.client import Answer, NoAnswer, Request
from eventroute.push.sinks.trio_connect import Channel

__all__ = ["Connection", "Familiar", "Headers"]

MAX_HEAD = 32_768
"""Bytes of an answer's head, and of what else has to be read in one piece; one more read may come on top."""

MAX_HEADERS = 128
"""How many header lines an answer may have."""

SENT_AT_ONCE = 65_536
"""A request of at most so many bytes is sent before an answer is read; a longer one while an answer may come."""

FAMILIAR = 256
"""How many answers a client knows again."""

FAMILIAR_SIZE = 1_024
"""The longest of them, in bytes."""

_READ = 16_384
_END = h11.EndOfMessage()


@lru_cache(maxsize=64)
def _asked(method: str) -> h11.Request:
    """What the parser has to know of a request to read its answer; what is sent is `client.written`."""
    return h11.Request(method=method, target="/", headers=[("Host", "h")])


class Headers(Mapping[str, str]):
    """The headers of an answer, looked up in any case. Of one that is repeated the first value holds."""

    def __init__(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs  # decoded where somebody looks, which is seldom

    def __getitem__(self, name: str) -> str:
        lower = name.lower().encode()
        for each, value in self._pairs:
            if each == lower:
                return value.decode("utf-8", "surrogateescape")
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name.decode("ascii") for name, _ in self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)


class Familiar:
    """What answers meant that the parser has read before, for requests of the same method and to the last byte.

    It would read the same in them again, since a parser that is ready for an answer knows nothing but the method. Kept
    are those that came whole in one piece, with nothing behind them, and end no connection: an endpoint that takes
    events gives the same one all day, or all second where it tells the time.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, bytes], Answer] = {}

    def get(self, method: str, came: bytes) -> Answer | None:
        """What it meant, where it came before."""
        return self._answers.get((method, came))

    def learn(self, method: str, came: bytes, answer: Answer) -> None:
        """Know it again; what is known for longest is forgotten for it."""
        if len(came) > FAMILIAR_SIZE:
            return
        if len(self._answers) >= FAMILIAR:
            del self._answers[next(iter(self._answers))]
        self._answers[method, came] = answer


@define(eq=False)
class Connection:
    """One connection, and what its parser knows."""

    channel: Channel
    familiar: Familiar
    parser: h11.Connection = field(factory=lambda: h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD))
    until: float = math.inf
    """When it is to be closed (trio's time): the deadline of its request, or the end of its time without one."""
    late: bool = False
    """Whether it was closed because of that."""
    _sent: bool = False
    """Whether all of the last request was sent."""
    _pieces: int = 0
    """In how many pieces the last answer came."""
    _piece: bytes = b""
    """The last of them."""
    _whole: bool = False
    """Whether all of the last answer was read."""
    _over: bool = False
    """Whether nothing came behind it, and the connection may stay."""

    async def exchange(self, request: Request, message: bytes, limit: int, answered: Callable[[], None]) -> Answer:
        """Send a message and read the answer, with so many bytes of its body. `answered` is called where its head is
        here and the rest is not.

        Raises NoAnswer, h11.RemoteProtocolError, trio.BrokenResourceError where the other end has gone and
        trio.ClosedResourceError where this one has.
        """
        if len(message) > SENT_AT_ONCE:
            self._expect(request.method)
            head = await self._ask_at_length(message)
        else:
            await self._send(message)
            await self._receive()
            known = self.familiar.get(request.method, self._piece)
            if known is not None:
                self._over = True
                return known
            self._expect(request.method)
            self.parser.receive_data(self._piece)
            head = await self._head()
        body = bytearray()
        if not self._take(body, limit):  # most are here already
            answered()
            await self._read(body, limit)
        answer = Answer(head.status_code, Headers(head.headers), bytes(body), self._whole)
        self._over = self._ended
        if self._over and self._pieces == 1:
            self.familiar.learn(request.method, self._piece, answer)
        return answer

    def _expect(self, method: str) -> None:
        self.parser.send(_asked(method))
        self.parser.send(_END)

    async def _ask_at_length(self, message: bytes) -> h11.Response:
        """Wait for the head of an answer, which may come before all was sent."""
        answer: h11.Response | Exception
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, message)
            try:
                answer = await self._head()
            except (NoAnswer, h11.RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError) as error:
                answer = error
            nursery.cancel_scope.cancel()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _send(self, message: bytes) -> None:
        try:
            await self.channel.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # it may have answered before it went; reading tells
        self._sent = True

    async def _receive(self) -> None:
        self._piece = await self.channel.receive(_READ)
        self._pieces += 1
        if not self._piece:
            raise NoAnswer("connection-error", "the server closed the connection without an answer")

    async def _head(self) -> h11.Response:
        while True:
            event = self.parser.next_event()
            if isinstance(event, h11.Response):
                if len(event.headers) > MAX_HEADERS:
                    raise NoAnswer("bad-answer", f"the answer has more than {MAX_HEADERS} headers")
                return event
            if event is h11.NEED_DATA:
                await self._receive()
                self.parser.receive_data(self._piece)

    async def _read(self, body: bytearray, limit: int) -> None:
        """Read the rest of the body of the answer. One that breaks off changes nothing: the status has decided."""
        try:
            while True:
                self._pieces += 1
                self.parser.receive_data(await self.channel.receive(_READ))
                if self._take(body, limit):
                    return
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def _take(self, body: bytearray, limit: int) -> bool:
        """Take what is here of the body, at most so many bytes in all; whether no more is to be read."""
        try:
            while (event := self.parser.next_event()) is not h11.NEED_DATA:
                if not isinstance(event, h11.Data):
                    self._whole = isinstance(event, h11.EndOfMessage)
                    return True
                room = limit - len(body)
                body += event.data[:room]
                if len(event.data) > room:
                    return True
        except h11.RemoteProtocolError:
            return True
        return False

    @property
    def _ended(self) -> bool:
        parser = self.parser
        if not (self._whole and parser.our_state is h11.DONE and parser.their_state is h11.DONE):
            return False
        return not parser.trailing_data[0]  # said unasked

    def renew(self) -> bool:
        """Get ready for another request; False where there can be none on this connection."""
        if not (self._sent and self._over):
            return False
        if self.parser.our_state is h11.DONE:  # else the answer was familiar
            self.parser.start_next_cycle()
        self._sent = self._whole = self._over = False
        self._pieces = 0
        return True
