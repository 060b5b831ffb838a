"""The storage in an SQLite file, for the processes of one host."""

from eventroute.storage.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
