"""An event broker inside your application: CloudEvents are published, kept, matched, reshaped and pushed.

The names below are the whole public face; tests for storages and sinks of your own are in `eventroute.testing`.
"""

from eventroute.errors import (
    BackendUnsupported,
    BusExists,
    EventrouteError,
    InvalidConfiguration,
    InvalidEvent,
    InvalidFilter,
    InvalidPath,
    InvalidSubscription,
    InvalidTransformer,
    LeaseLost,
    Reject,
    Retry,
    SecretNotFound,
    StorageClosed,
    StorageConflict,
    StorageError,
    StorageFull,
    TransformError,
    Unauthorized,
    UnknownBus,
    UnknownSubscription,
)
from eventroute.event import Event
from eventroute.filters import Filter, FilterIndex
from eventroute.publisher import Publisher
from eventroute.push.addresses import AddressPolicy
from eventroute.push.backoff import Backoff
from eventroute.push.breaker import Breaker
from eventroute.push.outcome import OutcomeTable
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.storage.base import Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription
from eventroute.transform import Transformer

__all__ = [
    "AddressPolicy",
    "BackendUnsupported",
    "Backoff",
    "Breaker",
    "BusExists",
    "DeliveryPolicy",
    "Event",
    "EventrouteError",
    "Filter",
    "FilterIndex",
    "HttpSettings",
    "InvalidConfiguration",
    "InvalidEvent",
    "InvalidFilter",
    "InvalidPath",
    "InvalidSubscription",
    "InvalidTransformer",
    "LeaseLost",
    "MemoryStorage",
    "OutcomeTable",
    "Publisher",
    "Reject",
    "Retry",
    "Router",
    "SQLiteStorage",
    "SecretNotFound",
    "Storage",
    "StorageClosed",
    "StorageConflict",
    "StorageError",
    "StorageFull",
    "Subscription",
    "TransformError",
    "Transformer",
    "Unauthorized",
    "UnknownBus",
    "UnknownSubscription",
    "open_storage",
]
