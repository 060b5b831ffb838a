"""How Python's values are sent: as types that do not change with the value, since each set is prepared anew."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from psycopg import Connection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper

__all__ = ["KINDS", "Kind", "adapt"]

_NOTHING = struct.pack("!i", -1)
_length = struct.Struct("!i").pack
_number = struct.Struct("!iq").pack
_head = struct.Struct("!iiIii").pack
_real = struct.Struct("!id").pack


def _encode(text: str) -> bytes:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace")


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
        return _pack(type(self), obj)


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


def _pack(array: type[_TypedArray], items: Any) -> bytes:
    encode = array.encode
    values = [_NOTHING if item is None else encode(item) for item in items]
    return _head(1, 1, array.element, len(items), 1) + b"".join(values)


Kind = Literal["text", "int8", "float8", "text[]", "bytea[]", "int8[]"]


KINDS: dict[Kind, tuple[int, Callable[[Any], bytes]]] = {
    "text": (_Text.oid, _encode),
    "int8": (20, struct.Struct("!q").pack),
    "float8": (701, struct.Struct("!d").pack),
    "text[]": (_Texts.oid, partial(_pack, _Texts)),
    "bytea[]": (_Bytes.oid, partial(_pack, _Bytes)),
    "int8[]": (_Numbers.oid, partial(_pack, _Numbers)),
}
"""By its name, what the server knows a type by, and how a value that is not None is sent as binary."""

_ARRAYS: dict[type, type[_TypedArray]] = {str: _Texts, bytes: _Bytes, int: _Numbers, float: _Reals}


def adapt(connection: Connection[Any]) -> None:
    """Have a connection send values so."""
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, _Text)
    connection.adapters.register_dumper(list, _Array)


def _kind(items: list[Any]) -> type | None:
    return next((type(item) for item in items if item is not None), None)
