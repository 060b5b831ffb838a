"""The whole contract, of its parts."""

from __future__ import annotations

from eventroute.testing.storage.buses import BusesContract
from eventroute.testing.storage.calls import CallsContract
from eventroute.testing.storage.fates import FatesContract
from eventroute.testing.storage.letters import LettersContract
from eventroute.testing.storage.names import NamesContract
from eventroute.testing.storage.order import OrderContract
from eventroute.testing.storage.pausing import PausingContract
from eventroute.testing.storage.placement import PlacementContract
from eventroute.testing.storage.reopening import ReopeningContract
from eventroute.testing.storage.replay import ReplayContract
from eventroute.testing.storage.timers import TimersContract
from eventroute.testing.storage.transfer import TransferContract
from eventroute.testing.storage.trimming import TrimmingContract
from eventroute.testing.storage.waiting import WaitingContract

__all__ = ["StorageContract"]


class StorageContract(
    WaitingContract,
    OrderContract,
    LettersContract,
    FatesContract,
    PausingContract,
    PlacementContract,
    CallsContract,
    BusesContract,
    TrimmingContract,
    ReplayContract,
    ReopeningContract,
    TimersContract,
    TransferContract,
    NamesContract,
):
    """Every promise of `Storage`, tested. `make_storage` is to be written; `persistent` and `pass_time` may be."""
