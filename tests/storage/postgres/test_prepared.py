"""Statements that are prepared by a name of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.postgres import Place
from eventroute.storage.postgres.prepared import Prepared, PreparedStatements
from eventroute.storage.postgres.server import Link, Server, is_away

ECHO = Prepared("echo", "SELECT ?1, ?2, ?3, ?4, ?5, ?6", "text", "int8", "float8", "text[]", "bytea[]", "int8[]")
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.fixture(scope="module")
def link(shared_place: Place) -> Iterator[Link]:
    server = Server(address=shared_place.address, schema="public", patience=1.0, pooled=False)
    with server.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def statements(link: Link) -> PreparedStatements:
    return PreparedStatements(link)


@given(
    values=st.tuples(
        *(st.none() | each for each in (TEXTS, NUMBERS, st.floats(allow_nan=False))),
        *(st.none() | st.lists(st.none() | each, max_size=5) for each in (TEXTS, st.binary(), NUMBERS)),
    )
)
def test_values_come_as_they_were_sent(statements: PreparedStatements, values: tuple[Any, ...]) -> None:
    assert statements.rows(ECHO, values) == [values]


def test_what_text_cannot_be_is_replaced(statements: PreparedStatements) -> None:
    assert statements.rows(ECHO, ("a\0b\ud800c", 0, math.inf, [], [], []))[0][0] == "a\ufffdb?c"


def test_what_the_server_has_forgotten_is_prepared_again(statements: PreparedStatements, link: Link) -> None:
    """As it does when the driver has seen a rollback."""
    values = ("a", 1, 1.0, ["b"], [b"c"], [2])
    assert statements.rows(ECHO, values) == [values]
    link.execute("DEALLOCATE ALL")
    assert statements.rows(ECHO, values) == [values]


def test_errors_are_those_of_the_driver(statements: PreparedStatements) -> None:
    divide = Prepared("divide", "SELECT 1 / ?1", "int8")
    with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
        statements.rows(divide, (0,))
    assert statements.rows(divide, (1,)) == [(1,)]
    for _ in range(2):  # what could not be prepared is not taken for prepared
        with pytest.raises(psycopg.errors.UndefinedTable):
            statements.rows(Prepared("nothing", "SELECT ?1 FROM there_is_no_such_table", "int8"), (1,))


@pytest.mark.parametrize("before", [False, True], ids=["not prepared", "prepared"])
def test_a_connection_that_is_lost_is_told(shared_place: Place, link: Link, before: bool) -> None:
    server = Server(address=shared_place.address, schema="public", patience=1.0, pooled=False)
    with server.connect() as other:
        statements = PreparedStatements(other)
        values = ("a", 1, 1.0, ["b"], [b"c"], [2])
        if before:
            statements.rows(ECHO, values)
        pid = (other.info.backend_pid,)
        link.execute("SELECT pg_terminate_backend($1::integer)", pid)
        while link.execute("SELECT 1 FROM pg_stat_activity WHERE pid = $1", pid).fetchone():
            pass
        for _ in range(2):  # the server's last words, and then none
            with pytest.raises(psycopg.OperationalError) as caught:
                statements.rows(ECHO, values)
            assert is_away(caught.value, other)
