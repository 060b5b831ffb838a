"""The storage in this process's memory, gone with it."""

from eventroute.storage.memory.storage import MemoryStorage

__all__ = ["MemoryStorage"]
