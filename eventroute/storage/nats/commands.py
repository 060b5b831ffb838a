"""All commands there are. A tag is never given twice: the stream is read by later versions."""

from __future__ import annotations

from eventroute.storage.nats.letter_commands import (
    DropLetters,
    Purge,
    Redrive,
    ReleaseLetters,
    TakeLetters,
)
from eventroute.storage.nats.log_commands import (
    Append,
    CancelTimer,
    CreateBus,
    DeleteBus,
    Fire,
    Import,
    Trim,
    UpdateBus,
)
from eventroute.storage.nats.subscription_commands import (
    CancelReplay,
    JoinLive,
    LeaveLive,
    Pause,
    PlaceSubscription,
    PutSubscription,
    RemoveSubscription,
    Resume,
    StartReplay,
)
from eventroute.storage.nats.work_commands import (
    CloseSession,
    ExtendSession,
    LeaveSending,
    OpenSession,
    Release,
    ReleaseWaiting,
    TakeClaim,
    TakeSending,
    TakeWaiting,
    Write,
)

__all__ = ["COMMANDS"]

COMMANDS = (
    Append
    | Fire
    | CreateBus
    | UpdateBus
    | DeleteBus
    | Trim
    | CancelTimer
    | OpenSession
    | ExtendSession
    | CloseSession
    | PutSubscription
    | RemoveSubscription
    | Pause
    | Resume
    | LeaveLive
    | JoinLive
    | StartReplay
    | CancelReplay
    | TakeClaim
    | Release
    | TakeWaiting
    | ReleaseWaiting
    | Write
    | TakeSending
    | LeaveSending
    | Redrive
    | Purge
    | DropLetters
    | TakeLetters
    | ReleaseLetters
    | Import
    | PlaceSubscription
)
"""The type of any of them, to decode."""
