"""Every error that eventroute raises.

EventrouteError
├── InvalidEvent          an event breaks the CloudEvents specification
├── InvalidPath           a JSONPath is malformed
├── InvalidFilter         a filter is malformed or unknown
├── InvalidTransformer    a transformer is malformed
├── TransformError        a transformer failed on one event
├── InvalidSubscription   a subscription or its delivery policy is malformed
├── InvalidConfiguration  a configuration file or setting is wrong
├── UnknownBus            a bus that was never created
├── UnknownSubscription   a subscription that does not exist
├── BusExists             a bus that was created before, with other settings
├── SecretNotFound        a secret reference leads nowhere
├── Unauthorized          the credentials of a request are missing or wrong
├── StorageError          the storage failed
│   ├── StorageClosed     it was used before it was opened or after it was closed
│   ├── StorageFull       it can take no more events
│   ├── StorageConflict   somebody else changed the same thing first
│   ├── OffsetTrimmed     what was asked for is no longer in the log
│   ├── DamagedEvent      an event in the log is not what was written
│   └── LeaseLost         a worker's lease ran out and its work may be another's
├── BackendUnsupported    the running event loop cannot do what was asked
└── Verdict               raised by a sink to say what is to be done
    ├── Retry             try again later
    └── Reject            dead-letter now
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BackendUnsupported",
    "BusExists",
    "DamagedEvent",
    "EventrouteError",
    "InvalidConfiguration",
    "InvalidEvent",
    "InvalidFilter",
    "InvalidPath",
    "InvalidSubscription",
    "InvalidTransformer",
    "LeaseLost",
    "OffsetTrimmed",
    "Reject",
    "Retry",
    "SecretNotFound",
    "StorageClosed",
    "StorageConflict",
    "StorageError",
    "StorageFull",
    "TransformError",
    "Unauthorized",
    "UnknownBus",
    "UnknownSubscription",
    "Verdict",
]


class EventrouteError(Exception):
    """The root of the tree: `except EventrouteError` catches all that eventroute raises.

    Each can be copied and pickled with all that it says.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[EventrouteError], args: tuple[object, ...], state: dict[str, object]) -> EventrouteError:
    """An error as it was: its constructor would make a message of the message."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class _Located(EventrouteError):
    """An error with a place: `where` is a path into the document, or empty for the whole of it."""

    def __init__(self, message: str, *, where: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.reason = message
        self.where = where


class InvalidEvent(_Located, ValueError):
    """An event breaks the CloudEvents specification; `where` names the attribute."""


class InvalidPath(_Located, ValueError):
    """A JSONPath is malformed (RFC 9535); `where` is the path with the position of the fault."""


class InvalidFilter(_Located, ValueError):
    """A filter is malformed, empty, or in an unknown dialect; `where` is the place in the filter."""


class InvalidTransformer(_Located, ValueError):
    """A transformer cannot be understood; `where` is the place in the transformer."""


class TransformError(_Located):
    """A transformer failed on one event, which is then dead-lettered as `transform-error`."""


class InvalidSubscription(_Located, ValueError):
    """A subscription or delivery policy is malformed; `where` is the key."""


class InvalidConfiguration(_Located, ValueError):
    """A configuration file or a setting is wrong; `where` is the file with its line or key."""


class UnknownBus(EventrouteError, LookupError):
    """A bus that was never created."""

    def __init__(self, bus: str) -> None:
        super().__init__(f"there is no bus {bus!r}: make it with create_bus({bus!r})")
        self.bus = bus


class UnknownSubscription(EventrouteError, LookupError):
    """A subscription that does not exist."""

    def __init__(self, subscription: str) -> None:
        super().__init__(f"there is no subscription {subscription!r}")
        self.subscription = subscription


class BusExists(EventrouteError, ValueError):
    """A bus of that name was created before, with other settings."""

    def __init__(self, bus: str) -> None:
        super().__init__(f"the bus {bus!r} exists already, with other settings")
        self.bus = bus


class SecretNotFound(EventrouteError, LookupError):
    """A secret reference (`env:NAME`, `file:PATH`) leads nowhere. The secret is never in the message."""


class Unauthorized(EventrouteError, PermissionError):
    """The credentials of a request are missing (`forbidden` false) or do not suffice (`forbidden` true)."""

    def __init__(self, message: str, *, forbidden: bool = False) -> None:
        super().__init__(message)
        self.forbidden = forbidden


class StorageError(EventrouteError):
    """The storage failed. Nothing that it answered for before is lost."""


class StorageClosed(StorageError):
    """The storage was used before it was opened or after it was closed."""


class StorageFull(StorageError):
    """The storage can take no more events; nothing of the call was stored.

    `bus` is the bus that has reached its bound, or empty where the storage as a whole has; `subscription` is the one
    that keeps the oldest event in the log, so that retention cannot make room, or None.
    """

    def __init__(self, message: str, *, bus: str = "", subscription: str | None = None) -> None:
        super().__init__(message)
        self.bus = bus
        self.subscription = subscription


class StorageConflict(StorageError):
    """Somebody else changed the same thing first; read it again and decide anew."""


class OffsetTrimmed(StorageError):
    """A place in the log was asked for that retention has taken away. `first` is the first offset that is left."""

    def __init__(self, message: str, *, first: int) -> None:
        super().__init__(message)
        self.first = first


class DamagedEvent(StorageError):
    """The event at one offset of the log is not what was written, is gone, or never was one; the others can be read.

    `bus` and `offset` say where it is, `fault` what is wrong with it.
    """

    def __init__(self, storage: str, bus: str, offset: int, fault: str) -> None:
        super().__init__(
            f"{storage}: the event {offset} of the bus {bus!r} is damaged: {fault}; go on with a backup, or read on"
            f" from offset {offset + 1}"
        )
        self.bus = bus
        self.offset = offset
        self.fault = fault


class LeaseLost(StorageError):
    """A worker's lease ran out: what it held may be another's now, and it must let go."""


class BackendUnsupported(EventrouteError, RuntimeError):
    """What was asked cannot be done on the running event loop (asyncio or trio)."""


class Verdict(EventrouteError):
    """The base of what a sink raises to say what is to be done with a delivery."""


class Retry(Verdict):
    """Raised by a sink: try this event again.

    `after` is the least wait in seconds (0 or more); without it the policy's backoff decides.
    """

    def __init__(self, reason: str = "retry", *, after: float | None = None) -> None:
        if after is not None and not after >= 0:
            raise ValueError(f"after must be 0 seconds or more, not {after!r}")
        super().__init__(reason)
        self.reason = reason
        self.after = after


class Reject(Verdict):
    """Raised by a sink: never try this event again, dead-letter it with this reason."""

    def __init__(self, reason: str = "rejected") -> None:
        super().__init__(reason)
        self.reason = reason
