"""Refusals: each error as the status and the problem document (RFC 9457) that answer it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from attrs import field, frozen
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from eventroute.binding import UnsupportedMode
from eventroute.errors import (
    InvalidEvent,
    InvalidFilter,
    InvalidSubscription,
    InvalidTransformer,
    OffsetTrimmed,
    StorageConflict,
    StorageError,
    StorageFull,
    Unauthorized,
    UnknownBus,
    UnknownSubscription,
)

__all__ = ["Problem", "problem_of"]

MAX_DETAIL: Final = 500
"""The most characters of a reason: it may quote what was sent."""

CHALLENGE: Final = 'Bearer realm="eventroute", Basic realm="eventroute", charset="UTF-8"'


@frozen
class Problem:
    """Why a request is refused. `where` is the attribute, header or place that is wrong, or empty."""

    status: int
    detail: str
    where: str = ""
    headers: Mapping[str, str] = field(factory=dict)

    def response(self) -> Response:
        """The answer, in ASCII: what it quotes may be no text that could be encoded."""
        document = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail[:MAX_DETAIL],
        }
        if self.where:
            document["where"] = self.where[:MAX_DETAIL]
        return Response(json.dumps(document), self.status, dict(self.headers), "application/problem+json")


def problem_of(error: Exception, *, retry_after: int) -> Problem:
    """How an error is answered; one that the sender cannot be at fault for is raised again.

    What a storage says of itself (paths, addresses) is for the log, not for the sender.
    """
    match error:
        case HTTPException():
            return Problem(error.status_code, error.detail, headers=error.headers or {})
        case InvalidEvent():
            return Problem(415 if isinstance(error, UnsupportedMode) else 400, error.reason, error.where)
        case InvalidSubscription() | InvalidFilter():
            return Problem(400, error.reason, error.where)
        case InvalidTransformer():
            return Problem(400, error.reason, f"transformer.{error.where}".rstrip("."))
        case ClientDisconnect():
            return Problem(400, "the connection was closed within the body")  # for the log; nobody is there to read it
        case UnknownBus() | UnknownSubscription():
            return Problem(404, _missing(error))
        case Unauthorized():
            return _unauthorized(error)
        case StorageError():
            return _storage_problem(error, {"retry-after": str(retry_after)})
        case _:
            raise error


def _missing(error: UnknownBus | UnknownSubscription) -> str:
    if isinstance(error, UnknownBus):
        return f"there is no bus {error.bus!r}"
    return f"there is no subscription {error.subscription!r} on this bus"


def _unauthorized(error: Unauthorized) -> Problem:
    if error.forbidden:
        return Problem(403, str(error))
    return Problem(401, str(error), headers={"www-authenticate": CHALLENGE})


def _storage_problem(error: StorageError, later: Mapping[str, str]) -> Problem:
    if isinstance(error, StorageConflict):
        return Problem(409, "that id is taken")
    if isinstance(error, OffsetTrimmed):
        return Problem(409, str(error))
    if isinstance(error, StorageFull):
        return Problem(503, "the log is full: nothing was stored", headers=later)
    return Problem(503, "the storage failed", headers=later)
