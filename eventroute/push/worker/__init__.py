"""A worker: what a process does for one bus under one lease, between the ledger and the lanes."""

from eventroute.push.worker.worker import Worker

__all__ = ["Worker"]
