"""A schema of its own on a PostgreSQL server, for measurements and tests, which is dropped afterwards."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from attrs import frozen
from psycopg import Connection, conninfo, sql

from eventroute.storage.postgres.storage import PostgresStorage

__all__ = ["ADDRESS", "Place", "place"]

ADDRESS = "EVENTROUTE_TEST_POSTGRES"
"""The environment variable that names the server."""


@frozen
class Place:
    """A schema of a database."""

    address: str
    schema: str

    @property
    def url(self) -> str:
        """Its address for `open_storage`; that of the database must be a URL."""
        return f"{self.address}{'&' if '?' in self.address else '?'}schema={self.schema}"

    def storage(self, *, durable: bool = True, **more: Any) -> PostgresStorage:
        """A storage there that is not open; one that is not `durable` waits for no disk."""
        address = self.address
        if not durable:
            address = conninfo.make_conninfo(address, options="-c synchronous_commit=off")
        return PostgresStorage(address, schema=self.schema, **more)

    def connect(self) -> Connection[Any]:
        """A connection that sees the schema's tables."""
        connection = psycopg.connect(self.address, autocommit=True)
        connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(self.schema)))
        return connection

    def empty(self) -> None:
        """Take away all that the tables hold, faster than they are made anew."""
        with self.connect() as connection:
            names = [name for (name,) in connection.execute(_TABLES, (self.schema,))]
            if names:
                going = [name for name in sorted(names, key=lambda name: name == "bus") if name not in _KEPT]
                deletes = "; ".join(f"DELETE FROM {name}" for name in going)  # noqa: S608 - names of our own
                connection.execute(f"BEGIN; SET LOCAL synchronous_commit = off; {deletes}; {_BEGINNING}; COMMIT")
                connection.execute(_FIRST_NUMBERS, (self.schema,))


_KEPT = ("about", "deleted")
_BEGINNING = 'UPDATE deleted SET "offset" = 1, version = 0'
_FIRST_NUMBERS = (
    "SELECT setval(pg_class.oid, 1, false) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = %s AND relkind = 'S'"
)
_TABLES = (
    "SELECT relname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
    " WHERE nspname = %s AND relkind = 'r'"
)


@contextmanager
def place(address: str) -> Iterator[Place]:
    """A schema that nobody else has; it is made by the first storage that is opened there."""
    made = Place(address, f"eventroute_{os.getpid()}_{secrets.token_hex(4)}")
    try:
        yield made
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("SET client_min_messages = warning")
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(made.schema)))
