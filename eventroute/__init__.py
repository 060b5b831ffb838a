"""An event broker inside your application: CloudEvents are published, kept, matched, reshaped and pushed.

The names below are the whole public face; tests for storages and sinks of your own are in `eventroute.testing`.
"""

from eventroute.copying.bus import Copied, copy_bus, copy_buses
from eventroute.errors import (
    BackendUnsupported,
    BusExists,
    DamagedEvent,
    EventrouteError,
    InvalidConfiguration,
    InvalidEvent,
    InvalidFilter,
    InvalidPath,
    InvalidSubscription,
    InvalidTransformer,
    LeaseLost,
    OffsetTrimmed,
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
from eventroute.push.outcome import OutcomeTable
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.credentials import (
    BasicCredential,
    BearerCredential,
    ClientCertificate,
    ClientCredentials,
    HeaderCredential,
    RefreshCredential,
)
from eventroute.push.policy.letter_access import DeadLetterAccess
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.reply import Reply
from eventroute.push.policy.signing import Signing
from eventroute.push.policy.webhook import Handshake
from eventroute.push.sinks.client import HttpSettings
from eventroute.router import Router
from eventroute.secrets import Secret, Secrets
from eventroute.storage.base import BusSettings, Retention, Storage
from eventroute.storage.memory import MemoryStorage
from eventroute.storage.open import open_storage
from eventroute.storage.sqlite import SQLiteStorage
from eventroute.subscription import Subscription
from eventroute.transform import Transformer

__all__ = [
    "AddressPolicy",
    "BackendUnsupported",
    "Backoff",
    "BasicCredential",
    "Batch",
    "BearerCredential",
    "Breaker",
    "BusExists",
    "BusSettings",
    "ClientCertificate",
    "ClientCredentials",
    "Copied",
    "DamagedEvent",
    "DeadLetterAccess",
    "DeliveryPolicy",
    "Event",
    "EventrouteError",
    "Filter",
    "FilterIndex",
    "Handshake",
    "HeaderCredential",
    "HttpSettings",
    "InvalidConfiguration",
    "InvalidEvent",
    "InvalidFilter",
    "InvalidPath",
    "InvalidSubscription",
    "InvalidTransformer",
    "LeaseLost",
    "MemoryStorage",
    "OffsetTrimmed",
    "OutcomeTable",
    "Publisher",
    "Rate",
    "RefreshCredential",
    "Reject",
    "Reply",
    "Retention",
    "Retry",
    "Router",
    "SQLiteStorage",
    "Secret",
    "SecretNotFound",
    "Secrets",
    "Signing",
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
    "copy_bus",
    "copy_buses",
    "open_storage",
]
