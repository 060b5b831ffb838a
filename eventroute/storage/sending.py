"""The part of the interface `Storage` that lets one session at a time send for a subscription."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from eventroute.storage.values import Session

__all__ = ["Sending", "Took"]

Took = Literal["first", "again", "after another"]
"""How a session came to send for a subscription: nobody did before, it did already, or another one did."""


class Sending(ABC):
    """What a subscription's limits for all processes together go by: the others send nothing for it meanwhile."""

    @abstractmethod
    async def take_sending(self, bus: str, subscription: str, session: Session) -> Took | None:
        """Have a session be the only one that sends for a subscription, until it leaves that or its lease is over.

        None: another living session does, or the subscription is unknown, or one of another bus. Raises LeaseLost.

        Need not survive a power loss, as `claim`.
        """

    @abstractmethod
    async def leave_sending(self, bus: str, subscription: str, session: Session) -> None:
        """Let others send; not the one that does: nothing changes."""

    @abstractmethod
    async def senders(self, bus: str) -> dict[str, str]:
        """By subscription, the living session that sends for it."""
