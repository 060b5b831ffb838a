from __future__ import annotations

import inspect

from eventroute.storage.base import Session, Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.testing.storage.calls import calls_of_a_bus, other_calls


def test_the_contract_makes_every_call() -> None:
    storage, session = MemoryStorage(), Session("s", 1.0)
    on_a_bus, others = calls_of_a_bus(storage, "b", session), other_calls(storage, session)
    assert {*on_a_bus, *others} == Storage.__abstractmethods__ - {"open", "aclose"}
    named = {name for name in others if "bus" in inspect.signature(getattr(Storage, name)).parameters}
    assert named == {"create_bus"}
