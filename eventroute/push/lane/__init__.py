"""A lane: the deliveries of one subscription that are in memory, and the attempts under way. It knows no ledger."""

from eventroute.push.lane.lane import Lane

__all__ = ["Lane"]
