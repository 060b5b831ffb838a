"""What a change of a storage may touch."""

from __future__ import annotations

from attrs import frozen

__all__ = ["Scope"]


@frozen
class Scope:
    """What a change may touch, so that a storage which others write to at the same time can lock it, all at once and in
    one order, and read what the change is decided by together with that.
    """

    bus: str = ""
    """The ledger of this bus."""
    subscription: str = ""
    """The ledger of the bus that this subscription is on."""
    readers: tuple[str, ...] = ()
    """Of the bus, and their claims: a hint."""
    session: str = ""
    """A hint."""
    log: bool = False
    """The log of the bus, too."""
    buses: bool = False
    """Which buses there are."""
    ledger: bool = True
    """False: the ledger of the bus is left alone."""
