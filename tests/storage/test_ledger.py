"""What only a backend with threads asks of the ledger: to take back what nobody will hear of."""

from __future__ import annotations

from eventroute.storage import ledger, placement
from eventroute.storage.base import DEFAULT_BUS, LIVE, Wait, Waiting
from eventroute.storage.memory.tables import MemoryTables

BUS = DEFAULT_BUS


def test_a_claim_given_back_is_free_unless_somebody_else_has_it() -> None:
    tables = MemoryTables()
    tables.create_bus(BUS, None, 0.0)
    tables.append(BUS, [b"1"] * 5, None, (), 0.0, 100)
    one, two = (
        ledger.open_session(tables, ledger.new_session(10), 0.0),
        ledger.open_session(tables, ledger.new_session(10), 0.0),
    )
    claim = ledger.claim(tables, BUS, LIVE, one, 5, 0.0)
    assert claim is not None
    ledger.release(tables, claim)
    ledger.release(tables, None)
    taken = ledger.claim(tables, BUS, LIVE, two, 5, 0.0)
    assert taken is not None
    assert (taken.start, taken.session) == (claim.start, two.id)
    ledger.release(tables, claim)
    assert ledger.claim(tables, BUS, LIVE, one, 5, 0.0) is None


def test_waiting_deliveries_given_back_are_free_unless_somebody_else_has_them() -> None:
    tables = MemoryTables()
    tables.create_bus(BUS, None, 0.0)
    placement.put(tables, BUS, "s", b"d", "latest")
    one, two = (
        ledger.open_session(tables, ledger.new_session(10), 0.0),
        ledger.open_session(tables, ledger.new_session(10), 0.0),
    )
    ledger.write(tables, BUS, one, [Wait(Waiting("s", 1, 0.0), held=False)], 0.0)
    taken = ledger.claim_waiting(tables, BUS, "s", one, 1.0, 9, 0.0)
    ledger.release_waiting(tables, [*taken, Waiting("s", 99, 0.0)], one)
    assert ledger.claim_waiting(tables, BUS, "s", two, 1.0, 9, 0.0) == taken
    ledger.release_waiting(tables, taken, one)
    assert ledger.claim_waiting(tables, BUS, "s", one, 1.0, 9, 0.0) == []
