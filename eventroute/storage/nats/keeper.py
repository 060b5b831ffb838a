"""What lasts beside the changes: the streams themselves, and snapshots, behind which the stream is purged.

A snapshot is the state behind one message, in parts, and then a manifest that names them. Nothing goes for its sake
before the manifest is stored; so who dies on the way leaves only parts that nobody reads, and the next one's purge
takes these away.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import zlib
from typing import Any

import msgspec
from msgspec import Struct

from eventroute.errors import StorageError
from eventroute.storage.nats.link import Link, Refused, Unreachable
from eventroute.storage.nats.machine import Machine
from eventroute.storage.nats.messages import stamp
from eventroute.storage.nats.server import Server

__all__ = ["Keeper"]

_STREAM_NOT_FOUND = 10059
_NOT_MADE = (10049, 10077)
"""No store for a stream: as servers tell their clients, and as they log it."""
_NOT_LAST = 10071
_TRIES = 5
_PART = 512 << 10

log = logging.getLogger("eventroute.storage.nats")


class _Manifest(Struct):
    sequence: int
    """The state is that behind this message of the stream."""
    parts: list[int]
    """Their numbers in the stream of snapshots."""
    sha256: str


class Keeper:
    """Makes the streams, finds the state to begin with, and takes snapshots.

    The process whose message crosses a multiple of `EVERY` messages or `BYTES` takes the next one.
    """

    EVERY = 5_000
    BYTES = 64 << 20

    def __init__(self, server: Server, *, as_is: bool = False) -> None:
        self._server = server
        self._as_is = as_is
        """Whether the stream must be there, and is not made."""
        self._base = 0
        """The last message that a snapshot is known to cover."""
        self._gap = False
        self.due = asyncio.Event()
        """Whether it is time for a snapshot, and it is this process's turn."""

    async def prepare(self, link: Link) -> None:
        """Make the streams where they are not there. Raises StorageError where one is not as it must be, or must be
        there and is not.
        """
        for snapshots in (False, True):
            wanted = self._server.wanted(snapshots=snapshots)
            name = wanted["name"]
            try:
                answer = await link.ask(f"STREAM.INFO.{name}")
            except Refused as refused:
                if refused.code != _STREAM_NOT_FOUND:
                    raise
                if self._as_is and not snapshots:
                    raise StorageError(
                        f"{self._server.where}: there is no stream {name}, and so no storage: look for a typing error"
                    ) from None
                answer = await self._create(link, wanted)
            faults = self._server.faults(answer["config"], snapshots=snapshots)
            if faults:
                raise StorageError(
                    f"{self._server.where}: the stream {name} is not as it must be: {'; '.join(faults)}: change it by "
                    "`nats stream edit`, or choose another name"
                )

    async def _create(self, link: Link, wanted: dict[str, Any]) -> dict[str, Any]:
        """Once more where a stream of somebody else goes meanwhile, with which the server takes away their folder."""
        for number in range(_TRIES - 1):
            try:
                return await link.ask(f"STREAM.CREATE.{wanted['name']}", wanted)
            except Refused as refused:
                if refused.code not in _NOT_MADE:
                    raise
            await asyncio.sleep(0.05 * 2**number)
        return await link.ask(f"STREAM.CREATE.{wanted['name']}", wanted)

    # -- the state to begin with -----------------------------------------------------------------------------------

    def miss(self) -> None:
        """Messages are missing behind the last one that is known."""
        self._gap = True

    async def machine(self, link: Link, known: Machine | None) -> Machine:
        """The state to go on from: the known one where it fits, else that of the last snapshot.

        Raises StorageError where the stream has lost what it had acknowledged.
        """
        if known is not None and known.sequence and not self._gap and await self._fits(link, known):
            return known
        found = await self._load(link)
        state = (await link.ask(f"STREAM.INFO.{self._server.stream}"))["state"]
        if found is None and state["first_seq"] > 1:
            found = await self._load(link)  # the first has just been taken
        if found is None and state["first_seq"] > 1:
            raise StorageError(f"{self._server.where}: the stream has lost its beginning, and there is no snapshot")
        machine = Machine() if found is None else await self._fitting(link, found)
        if known is not None and known.sequence and machine.sequence <= known.sequence:
            raise StorageError(
                f"{self._server.where}: the stream has lost message {known.sequence + self._gap}, which the server had "
                "acknowledged"
            )
        self._gap = False
        self._base = machine.sequence
        return machine

    async def check(self, link: Link, machine: Machine) -> None:
        """Raises Unreachable where the stream is not known to be the one that a state is of."""
        if not await self._fits(link, machine):
            raise Unreachable("the stream is another one by now, or has gone on")

    async def _fits(self, link: Link, machine: Machine) -> bool:
        """Whether the message that a state was made by last is the one that the stream has."""
        sequence, known = machine.sequence, machine.stamp
        if not sequence:
            return True
        stored = await link.message(sequence)
        return stored is not None and stamp(stored.body, stored.stamp) == known

    async def _fitting(self, link: Link, found: Machine) -> Machine:
        """The state of a snapshot, or of a newer one, behind which the stream has been purged meanwhile."""
        for _ in range(_TRIES):
            if await self._fits(link, found):
                return found
            newer = await self._load(link)
            if newer is None or newer.sequence <= found.sequence:
                break
            found = newer
        raise StorageError(f"{self._server.where}: the stream is another one than its snapshot was taken of")

    async def _load(self, link: Link) -> Machine | None:
        for _ in range(_TRIES):
            stored = await link.newest(self._server.snapshots, self._server.manifest)
            if stored is None:
                return None
            manifest = msgspec.json.decode(stored.body, type=_Manifest)
            try:
                content = b"".join(await link.get(manifest.parts, stream=self._server.snapshots))
            except Refused:
                continue  # a newer one has just taken its place
            if hashlib.sha256(content).hexdigest() != manifest.sha256:
                raise StorageError(f"{self._server.where}: the snapshot {manifest.sequence} is damaged")
            return Machine.load(zlib.decompress(content))
        raise StorageError(f"{self._server.where}: the parts of the snapshot are not to be found")

    # -- snapshots -------------------------------------------------------------------------------------------------

    def saw(self, machine: Machine, before: int, *, own: bool) -> None:
        """A message was applied, where the volume was `before`; `own`: it was this process's."""
        crossed = machine.sequence % self.EVERY == 0 or machine.volume // self.BYTES > before // self.BYTES
        if crossed and own and machine.sequence > self._base:
            self.due.set()

    async def tend(self, link: Link, machine: Machine) -> None:
        """Take a snapshot. Raises Unreachable; one that is refused is left for the next time, and said."""
        self.due.clear()
        try:
            await self._snapshot(link, machine)
        except Refused as refused:
            log.warning("%s: no snapshot could be taken: %s", self._server.where, refused)

    async def _snapshot(self, link: Link, machine: Machine) -> None:
        before = await link.newest(self._server.snapshots, self._server.manifest)
        if before is not None and msgspec.json.decode(before.body, type=_Manifest).sequence >= machine.sequence:
            return
        sequence, needed = machine.sequence, _needed(machine)
        content = await asyncio.get_running_loop().run_in_executor(None, zlib.compress, machine.dump(), 1)
        size = min(_PART, link.max_payload - 1_024)
        parts = [
            await link.store(self._server.part(sequence), content[begin : begin + size])
            for begin in range(0, len(content), size)
        ]
        manifest = _Manifest(sequence, parts, hashlib.sha256(content).hexdigest())
        try:
            await link.store(
                self._server.manifest,
                msgspec.json.encode(manifest),
                behind=0 if before is None else before.sequence,
            )
        except Refused as refused:
            if refused.code == _NOT_LAST:
                return  # somebody else was first
            raise
        self._base = sequence
        await self._purge_below(link, self._server.snapshots, parts[0])
        await self._purge(link, sequence, needed)

    async def _purge(self, link: Link, sequence: int, needed: dict[int, int]) -> None:
        """Take away what nobody needs any more; the snapshot's own message stays, to tell the stream by."""
        stream = self._server.stream
        await self._purge_below(link, stream, sequence, self._server.ledger)
        state = (await link.ask(f"STREAM.INFO.{stream}", {"subjects_filter": self._server.log("*")}))["state"]
        for subject in state.get("subjects") or ():
            before = needed.get(int(subject.rpartition(".")[2]), sequence)
            await self._purge_below(link, stream, min(before, sequence), subject)

    async def _purge_below(self, link: Link, stream: str, sequence: int, subject: str = "") -> None:
        """Purge what comes before a message; of 1 the server thinks as of no bound at all."""
        if sequence > 1:
            wanted = {"seq": sequence, **({"filter": subject} if subject else {})}
            await link.ask(f"STREAM.PURGE.{stream}", wanted)


def _needed(machine: Machine) -> dict[int, int]:
    """By number of a bus, the first message that is needed for its events."""
    begun = [sequence for client in machine.clients.values() for sequence in client.sequences]
    needed = {}
    for bus, number in machine.tables.numbers.items():
        oldest = machine.tables.index(bus).oldest
        needed[number] = min([machine.sequence if oldest is None else oldest, *begun])
    return needed
