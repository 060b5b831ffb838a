"""What a lane has in memory and will not begin before long: others may be free for it."""

from __future__ import annotations

from collections.abc import Mapping

from eventroute.push.delivery import Delivery, Range
from eventroute.push.lane.lane import Lane

__all__ = ["let_go_surplus"]


def let_go_surplus(claimed: Range, lanes: Mapping[str, Lane]) -> set[Delivery]:
    """Take out of memory what the lanes will not begin before long of a range, the last of each; it gets rows."""
    waiting: dict[str, list[Delivery]] = {}
    for delivery in claimed.pending:
        if not delivery.begun:
            waiting.setdefault(delivery.subscription, []).append(delivery)
    surplus: set[Delivery] = set()
    for subscription, some in waiting.items():
        lane = lanes.get(subscription)
        if lane is not None and lane.surplus:
            last = set(some[-lane.surplus :])
            lane.let_go(last)
            surplus |= last
    return surplus
