"""How Python's values are sent: as types that do not change with the value, since each set is prepared anew."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper

__all__ = ["adapt"]

_NOTHING = struct.pack("!i", -1)
_length = struct.Struct("!i").pack
_number = struct.Struct("!iq").pack
_real = struct.Struct("!id").pack


class _Text(Dumper):
    """PostgreSQL's text has no NUL and no lone surrogates, which an error message of somebody's sink may have."""

    oid = 25
    format = Format.BINARY

    def dump(self, obj: Any) -> Buffer | None:
        return _encode(obj)


class _Array(Dumper):
    """A list of values of one type, or None. One without values has no type, and gets that of its place."""

    def get_key(self, obj: Any, format: PyFormat) -> Any:
        kind = _kind(obj)
        return list if kind is None else (list, kind)

    def upgrade(self, obj: Any, format: PyFormat) -> Dumper:
        kind = _kind(obj)
        return self if kind is None else _ARRAYS[kind](list)

    def dump(self, obj: Any) -> Buffer | None:
        return b"{%s}" % b",".join([b"NULL"] * len(obj))


class _TypedArray(_Array):
    format = Format.BINARY
    element = 0
    encode: Callable[[Any], bytes]

    def dump(self, obj: Any) -> Buffer | None:
        encode = type(self).encode
        items = [_NOTHING if item is None else encode(item) for item in obj]
        return struct.pack("!iiIii", 1, 1, self.element, len(obj), 1) + b"".join(items)


class _Texts(_TypedArray):
    oid, element = 1009, 25

    @staticmethod
    def encode(item: Any) -> bytes:
        raw = _encode(item)
        return _length(len(raw)) + raw


class _Bytes(_TypedArray):
    oid, element = 1001, 17

    @staticmethod
    def encode(item: bytes) -> bytes:
        return _length(len(item)) + item


class _Numbers(_TypedArray):
    oid, element = 1016, 20

    @staticmethod
    def encode(item: Any) -> bytes:
        return _number(8, item)


class _Reals(_TypedArray):
    oid, element = 1022, 701

    @staticmethod
    def encode(item: Any) -> bytes:
        return _real(8, item)


_ARRAYS: dict[type, type[_TypedArray]] = {str: _Texts, bytes: _Bytes, int: _Numbers, float: _Reals}


def adapt(connection: Connection[Any]) -> None:
    """Have a connection send values so."""
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, _Text)
    connection.adapters.register_dumper(list, _Array)


def _kind(items: list[Any]) -> type | None:
    return next((type(item) for item in items if item is not None), None)


def _encode(text: str) -> bytes:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")
