"""A schema of our own on the server that EVENTROUTE_TEST_POSTGRES names; without it these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks.postgres import Place, place


@pytest.fixture(scope="session")
def shared_place() -> Iterator[Place]:
    """The schema that all tests of a process share."""
    address = os.environ.get("EVENTROUTE_TEST_POSTGRES")
    if not address:
        pytest.skip("needs a server: EVENTROUTE_TEST_POSTGRES=postgresql://user@host/database")
    with place(address) as made:
        yield made


@pytest.fixture
def postgres(shared_place: Place) -> Place:
    """The schema, empty or not there yet."""
    shared_place.empty()
    return shared_place


@pytest.fixture
def shell(postgres: Place) -> Iterator[psycopg.Connection]:
    """What a person with psql does."""
    with postgres.connect() as connection:
        yield connection
