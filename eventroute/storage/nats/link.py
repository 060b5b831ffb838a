"""One connection to a server, and what is asked of JetStream over it."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from eventroute.errors import StorageError
from eventroute.storage.nats.credentials import fault_of, refusal_of, signing_faults
from eventroute.storage.nats.direct import DirectClient, Take
from eventroute.storage.nats.server import OLDEST_SERVER, Server
from eventroute.storage.nats.wire import TAGGED, answer_of, last_of, nanoseconds, status_of, tag_of, told_of

__all__ = ["Link", "Refused", "Stored", "Unreachable"]

PULL = 1_000
"""How many messages are asked for at once."""

_PULL_BYTES = 32 << 20
_HEARTBEAT = 2.0  # seconds: where nothing has come for twice as long, the consumer is gone
_EXPIRES = 60.0
_REQUEST = 5.0  # seconds that a server may take to answer
_QUESTION = (1.0, 2.0, 4.0)
"""The same for what may be asked again, which it is: while nobody leads a stream, a question about it is lost."""
_ORDERS = ("STREAM.CREATE.", "STREAM.PURGE.")
"""What is asked once: another one that comes while the first is being done may fail by that."""

_DIRECT = 200  # messages that are asked for at the same time
_NANO = 1_000_000_000
_NO_MESSAGE = 10037
_NOT_NOW = (10005, 10008, 10009)
"""Servers that have not found together: too few are there to keep a stream, or nobody leads."""
_AWAY = (OSError, EOFError, TimeoutError, nats.errors.Error)
"""What the client raises where the server is away, goes, or does not answer."""


class Unreachable(Exception):
    """The server is away, or does not answer: another try may do better."""


class Refused(Exception):
    """The server has answered that it does not do what was asked."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        """JetStream's number of the error; 0: it has none."""


class Stored(NamedTuple):
    """A message of the stream."""

    sequence: int
    stamp: int
    """When it was stored, in nanoseconds."""
    body: bytes
    tag: bytes = b""
    """What its sender tells it by."""


class Link:
    """A connection. It is not made again where it is lost: `lost` is then set."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client = DirectClient(encrypted=server.encrypted)
        self.lost = asyncio.Event()
        self._begun = False
        self.connected = False
        """Whether a server was there."""
        self.over = False
        """Whether nothing more is to be asked."""
        self.fault: Exception | None = None
        """Why it was lost, where that is known."""
        self._consumer = ""
        self._others: Subscription | None = None
        """That to what others send."""
        self.alone = False
        """Whether the stream is not followed, since nobody else writes to it."""
        self._follower = 0
        self._round = 0
        self._expected = 0
        self._heard = 0.0
        self._deliveries = ""
        self._take: Callable[[Stored], None] = lambda _stored: None
        self.passed = 0
        """Up to which message of the stream all has been handed over, as the server's signs of life say."""
        self.way = 0.0
        """How many seconds an answer has taken lately."""
        self.max_payload = 0
        self.size = 0
        """The bytes of the stream, when it was asked last."""

    # -- the connection --------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Raises Unreachable, StorageError."""
        credentials = self._server.credentials
        fault = None if credentials is None else fault_of(credentials)
        if fault is not None:
            raise Unreachable(fault)
        self._begun = True
        try:
            await self._client.connect(
                servers=list(self._server.addresses),
                name="eventroute",
                allow_reconnect=False,
                connect_timeout=5,
                flush_timeout=_REQUEST,
                max_reconnect_attempts=1,
                ping_interval=10,
                max_outstanding_pings=2,
                user_credentials=credentials,
                no_echo=True,
                error_cb=self._note,
                closed_cb=self._lose,
                pending_size=64 << 20,
            )
        except _AWAY as error:
            raise Unreachable(refusal_of(credentials, told_of(error))) from None
        except signing_faults() as error:
            raise Unreachable(f"{credentials} is no file of credentials ({type(error).__name__})") from None
        self.connected = True
        self.max_payload = self._client.max_payload
        version = self._client.connected_server_version
        if (version.major, version.minor) < OLDEST_SERVER:
            raise StorageError(f"{self._server.where}: the server has version {version}: 2.9 or later is needed")

    async def close(self) -> None:
        """End it."""
        if not self._begun:
            return
        try:
            await self._client.close()
        except _AWAY:  # it was lost, with something unsent: then the client leaves its tasks and its socket behind
            for subscription in self._client._subs.values():  # noqa: SLF001
                subscription._stop_processing()  # noqa: SLF001
            if self._client._transport is not None:  # noqa: SLF001
                self._client._transport.close()  # type: ignore[no-untyped-call]  # noqa: SLF001

    async def _note(self, error: Exception) -> None:
        self.fault = error

    async def _lose(self) -> None:
        if self.fault is None and self._client.last_error is not None:  # of a sign-in that has ended, say
            self.fault = Unreachable(refusal_of(self._server.credentials, told_of(self._client.last_error)))
        self.lost.set()

    def give_up(self, error: Exception) -> None:
        """It is of no use any more."""
        self.fault = error
        self.lost.set()

    # -- requests --------------------------------------------------------------------------------------------------

    async def _request(self, subject: str, payload: bytes = b"") -> Msg:
        now = asyncio.get_running_loop().time
        for patience in (_REQUEST,) if subject.startswith(_ORDERS) else _QUESTION:
            begin = now()
            with suppress(nats.errors.TimeoutError):
                answer = await self._asked(subject, payload, patience)
                self.way = now() - begin
                return answer
        raise Unreachable("the server does not answer")

    async def _asked(self, subject: str, payload: bytes, patience: float) -> Msg:
        try:
            return await self._client.request(f"$JS.API.{subject}", payload, timeout=patience)
        except nats.errors.NoRespondersError:
            if not self._client.has_jetstream:
                raise Refused(0, "JetStream is not enabled on this server") from None
            raise Unreachable("JetStream has no leader at present") from None
        except nats.errors.TimeoutError:
            raise
        except _AWAY as error:
            raise Unreachable(told_of(error)) from None

    async def ask(self, subject: str, document: object = None) -> dict[str, Any]:
        """A request to the API. Raises Unreachable, Refused."""
        payload = b"" if document is None else json.dumps(document).encode()
        answer: dict[str, Any] = json.loads((await self._request(subject, payload)).data)
        if "error" in answer:
            code, text = answer["error"].get("err_code", 0), answer["error"].get("description", "refused")
            raise Unreachable(text) if code in _NOT_NOW else Refused(code, text)
        return answer

    async def last(self) -> int:
        """The number of the stream's last message."""
        return (await self.end())[0]

    async def end(self) -> tuple[int, int]:
        """The number of the stream's last message, and when that was stored, in nanoseconds."""
        state = (await self.ask(f"STREAM.INFO.{self._server.stream}"))["state"]
        self.size = int(state["bytes"])
        return int(state["last_seq"]), nanoseconds(state["last_ts"])

    async def get(self, sequences: Sequence[int], *, stream: str = "") -> list[bytes]:
        """The bodies of messages. Raises Unreachable, Refused where one is not there."""
        stream = stream or self._server.stream
        bodies: list[bytes] = []
        for begin in range(0, len(sequences), _DIRECT):
            some = sequences[begin : begin + _DIRECT]
            bodies += await asyncio.gather(*(self._get(stream, sequence) for sequence in some))
        return bodies

    async def _get(self, stream: str, sequence: int) -> bytes:
        answer = await self._request(f"DIRECT.GET.{stream}", b'{"seq":%d}' % sequence)
        status = (answer.headers or {}).get("Status")
        if status is not None:
            raise Refused(0, f"message {sequence} of the stream {stream}: {status}")
        return answer.data

    async def newest(self, stream: str, subject: str) -> Stored | None:
        """The last message of a subject. Raises Unreachable, Refused."""
        return await self._stored(stream, {"last_by_subj": subject})

    async def message(self, sequence: int) -> Stored | None:
        """A message of the stream; None: it is not there. Raises Unreachable, Refused."""
        return await self._stored(self._server.stream, {"seq": sequence})

    async def _stored(self, stream: str, which: object) -> Stored | None:
        """Asked of the stream's leader, who knows the latest."""
        try:
            found = (await self.ask(f"STREAM.MSG.GET.{stream}", which))["message"]
        except Refused as refused:
            if refused.code == _NO_MESSAGE:
                return None
            raise
        return Stored(found["seq"], nanoseconds(found["time"]), base64.b64decode(found.get("data", "")))

    # -- publishing ------------------------------------------------------------------------------------------------

    async def listen(self, take: Callable[[bytes, int | Refused], None]) -> None:
        """Have answers to what is published told, with its tag: the message's number, or why it is not stored."""
        self._answers = self._client.new_inbox()
        begin = len(self._answers) + 1

        def hear(subject: bytes, _reply: bytes, data: bytes, _headers: bytes | None) -> None:
            answer = answer_of(data)
            if answer.error is None:
                take(subject[begin:], answer.seq)
            else:
                take(subject[begin:], Refused(answer.error.err_code, answer.error.description))

        await self._subscribe(f"{self._answers}.>", hear)

    def publish(self, subject: str, body: bytes, tag: bytes, *, answer: bool) -> None:
        """Send a message to the stream; have it answered, or not. Raises Unreachable."""
        reply = f"{self._answers}.{tag.decode()}" if answer else ""
        try:
            self._client.write(subject, body, reply, b"%b%b\r\n\r\n" % (TAGGED, tag))
        except _AWAY as error:
            raise Unreachable(told_of(error)) from None

    async def store(self, subject: str, body: bytes, *, behind: int | None = None) -> int:
        """Have a message stored, and wait for that; its number. `behind`: only where that is the last of the subject.

        Raises Unreachable, Refused.
        """
        headers = None if behind is None else {"Nats-Expected-Last-Subject-Sequence": str(behind)}
        try:
            answer = json.loads((await self._client.request(subject, body, timeout=_REQUEST, headers=headers)).data)
        except _AWAY as error:
            raise Unreachable(told_of(error)) from None
        if "error" in answer:
            raise Refused(answer["error"].get("err_code", 0), answer["error"].get("description", "refused"))
        return int(answer["seq"])

    async def _subscribe(self, subject: str, hear: Take) -> Subscription:
        def guarded(subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
            try:
                hear(subject, reply, data, headers)
            except Exception as error:  # noqa: BLE001 - the client would only print it, and read no further
                self.give_up(error)

        try:
            return await self._client.take(subject, guarded)
        except _AWAY as error:
            raise Unreachable(told_of(error)) from None

    # -- following the stream --------------------------------------------------------------------------------------

    async def follow(self, after: int, take: Callable[[Stored], None]) -> int:
        """Have all messages behind this number handed over, in order; may be called again. The server's time, in
        nanoseconds.

        Whoever takes them looks whether one is missing. Raises Unreachable, Refused.
        """
        self._take = take
        if not self._deliveries:
            self._deliveries = self._client.new_inbox()
            await self._subscribe(f"{self._deliveries}.*.*", self._hear)
        self._follower += 1
        config = {
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": 30 * _NANO,
            "mem_storage": True,
            "num_replicas": 1,
        }
        stream = self._server.stream
        made = await self.ask(f"CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": config})
        former, self._consumer, self.alone, self.passed = self._consumer, made["name"], False, 0
        self._pull()
        self._end(former)
        await self.ignore_others()
        return nanoseconds(made["created"])

    async def watch_others(self, meet: Callable[[], None]) -> bool:
        """Have it told when others send to the stream, until it is followed anew; whether that is allowed here."""
        known = self.fault

        def hear(_subject: bytes, _reply: bytes, _data: bytes, _headers: bytes | None) -> None:
            meet()

        self._others = await self._subscribe(self._server.changes, hear)
        if self.fault is not known:  # the server has said so before it let the call return
            self.fault = known
            await self.ignore_others()
        return self._others is not None

    async def ignore_others(self) -> None:
        """Have that told no longer."""
        if self._others is not None:
            others, self._others = self._others, None
            with suppress(*_AWAY):  # that the connection is lost is told by what reads from it
                await self._client.leave(others)

    def be_alone(self) -> None:
        """Follow the stream no longer."""
        self.alone = True
        self._follower += 1
        former, self._consumer = self._consumer, ""
        self._end(former)

    def _end(self, consumer: str) -> None:
        if consumer:
            self._write(f"CONSUMER.DELETE.{self._server.stream}.{consumer}", b"", f"{self._deliveries}.gone")

    def _pull(self) -> None:
        self._round += 1
        self._expected = PULL
        self._heard = asyncio.get_running_loop().time()
        terms = {
            "batch": PULL,
            "max_bytes": _PULL_BYTES,
            "expires": int(_EXPIRES * _NANO),
            "idle_heartbeat": int(_HEARTBEAT * _NANO),
        }
        self._write(
            f"CONSUMER.MSG.NEXT.{self._server.stream}.{self._consumer}", json.dumps(terms).encode(), self._place
        )

    def _write(self, subject: str, payload: bytes, reply: str) -> None:
        try:
            self._client.write(f"$JS.API.{subject}", payload, reply)
        except _AWAY as error:
            raise Unreachable(told_of(error)) from None

    @property
    def _place(self) -> str:
        return f"{self._deliveries}.{self._follower}.{self._round}"

    def _hear(self, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        self._heard = asyncio.get_running_loop().time()
        if reply.startswith(b"$JS.ACK."):
            tokens = reply.split(b".")
            at = 5 if len(tokens) < 11 else 7
            if tokens[at - 2] != self._consumer.encode():
                return  # another one is followed by now
            self._take(Stored(int(tokens[at]), int(tokens[at + 2]), data, tag_of(headers)))
            self._expected -= 1
            if not self._expected:
                self._pull()
            return
        if subject != self._place.encode():
            return
        status, description = status_of(headers)
        if status == b"100":
            self.passed = last_of(headers)
        elif status != b"408" and b"MaxBytes" not in description:
            raise Unreachable("the consumer is gone")
        else:
            self._pull()

    def is_silent(self) -> bool:
        """Whether not even a sign of life has come for long."""
        return asyncio.get_running_loop().time() - self._heard > 3 * _HEARTBEAT
