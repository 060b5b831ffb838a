"""A disk in memory that loses power: what was written and not synced is kept, dropped or torn, by lot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from copy import deepcopy

import apsw
from attrs import Factory, define, field

SECTOR = 512


@define
class _Write:
    offset: int
    data: bytes


@define
class _Resize:
    size: int


@define
class SimulatedFile:
    """What programs see of a file, what is on the platter, and what is on its way there."""

    seen: bytearray = Factory(bytearray)
    synced: bytearray | None = None
    """None: even its name is not on the disk yet."""
    pending: list[_Write | _Resize] = Factory(list)
    is_new: bool = False
    """A log or a journal that was made and not synced yet."""

    def change(self, change: _Write | _Resize) -> None:
        _apply(self.seen, change)
        self.pending.append(change)

    def sync(self) -> None:
        self.synced = bytearray() if self.synced is None else self.synced
        for change in self.pending:
            _apply(self.synced, change)
        self.pending.clear()


@define
class Disk:
    """The files; after `cut_after` changes and syncs the power is cut, and every call fails.

    The sync that is number `fails_at` fails, and what it should have written counts as clean: programs see it, and no
    later sync writes it.
    """

    lot: random.Random
    files: dict[str, SimulatedFile] = Factory(dict)
    deleted: dict[str, SimulatedFile] = Factory(dict)
    """Whose going is not on the disk yet."""
    cut_after: int = 1 << 60
    fails_at: int = 0
    done: int = 0
    syncs: int = 0
    off: bool = field(default=False, init=False)

    def step(self) -> None:
        """Before each change."""
        self.done += 1
        self.off = self.off or self.done > self.cut_after
        if self.off:
            raise apsw.IOError("there is no power")

    def sync(self, file: SimulatedFile) -> None:
        self.step()
        self.syncs += 1
        if self.syncs == self.fails_at:
            file.synced = bytearray() if file.synced is None else file.synced
            for change in _survivors(file.pending, self.lot, 0.5):
                _apply(file.synced, change)
            file.pending.clear()
            raise apsw.IOError("the disk did not write")
        file.sync()
        if file.is_new:  # with the first sync of a log or journal SQLite syncs the folder too
            file.is_new = False
            self.deleted.clear()
            for other in self.files.values():
                other.synced = bytearray() if other.synced is None else other.synced

    def lengthen(self, name: str, size: int) -> None:
        """Write zeros behind the end of a file, up to that size; nothing where it is not there."""
        file = self.files.get(name)
        if file is not None and len(file.seen) < size:
            self.step()
            file.change(_Write(len(file.seen), bytes(size - len(file.seen))))

    def delete(self, name: str, *, durably: bool) -> None:
        self.step()
        file = self.files.pop(name)
        if not durably:
            self.deleted[name] = file

    def after_power_loss(self) -> Disk:
        """The disk as it is found when the power is back."""
        found = Disk(self.lot)
        share = self.lot.choice([0.0, 0.1, 0.5, 0.9, 1.0])  # of what was under way, how much was done
        for name, file in [*self.deleted.items(), *self.files.items()]:
            is_back = name in self.files or self.lot.random() > share
            if is_back and (file.synced is not None or self.lot.random() < share):
                image = deepcopy(file.synced) or bytearray()
                for change in _survivors(file.pending, self.lot, share):
                    _apply(image, change)
                found.files[name] = SimulatedFile(bytearray(image), image)
        return found


def _survivors(pending: list[_Write | _Resize], lot: random.Random, share: float) -> Iterator[_Write | _Resize]:
    """Some sectors are written, some are not, and some to a part."""
    for change in pending:
        if isinstance(change, _Resize):
            if lot.random() < share:
                yield change
            continue
        place, end = change.offset, change.offset + len(change.data)
        while place < end:
            stop = min(end, (place // SECTOR + 1) * SECTOR)
            if lot.random() < share:
                yield _Write(place, change.data[place - change.offset : stop - change.offset])
            elif lot.random() < 0.1:
                torn = lot.randrange(place, stop)
                yield _Write(place, change.data[place - change.offset : torn - change.offset])
            place = stop


def _apply(image: bytearray, change: _Write | _Resize) -> None:
    size = change.size if isinstance(change, _Resize) else change.offset
    if len(image) < size:
        image.extend(bytes(size - len(image)))
    if isinstance(change, _Resize):
        del image[size:]
    else:
        image[size : size + len(change.data)] = change.data


class _Open:
    """A file that SQLite has open. It locks nothing: only one connection uses a disk."""

    def __init__(self, disk: Disk, file: SimulatedFile) -> None:
        self._disk = disk
        self._file = file

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - SQLite's names
        if self._disk.off:
            raise apsw.IOError("there is no power")
        return bytes(self._file.seen[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.step()
        self._file.change(_Write(offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.step()
        self._file.change(_Resize(size))

    def xSync(self, _flags: int) -> None:  # noqa: N802
        self._disk.sync(self._file)

    def xFileSize(self) -> int:  # noqa: N802
        return len(self._file.seen)

    def xLock(self, _level: int) -> None:  # noqa: N802
        pass

    def xUnlock(self, _level: int) -> None:  # noqa: N802
        pass

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileControl(self, _operation: int, _pointer: int) -> bool:  # noqa: N802
        return False

    def xSectorSize(self) -> int:  # noqa: N802
        return SECTOR

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE  # what SQLite takes a disk for, unless told otherwise

    def xClose(self) -> None:  # noqa: N802
        pass


class DiskLayer(apsw.VFS):
    """A disk as a file layer for the SQLite library that comes with apsw."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.disk = Disk(random.Random())

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> _Open:  # type: ignore[override]  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        if path not in self.disk.files:
            self.disk.step()
            self.disk.files[path] = SimulatedFile(is_new=path.endswith(("-wal", "-journal")))
        flags[1] = flags[0]
        return _Open(self.disk, self.disk.files[path])

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.disk.delete(filename, durably=bool(syncdir))

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        return pathname in self.disk.files
