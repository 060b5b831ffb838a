"""The description of the Subscriptions API (OpenAPI 3.1), served beside it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

__all__ = ["document"]

_TEXT: Final = {"type": "string", "minLength": 1}
_PROBLEMS: Final = {
    "400": "The request is malformed; `where` is the key",
    "401": "Credentials are missing",
    "403": "The credentials do not suffice",
    "404": "There is no such bus or subscription",
    "503": "The storage cannot answer now; nothing was changed",
}
_WITH_BODY: Final = {"408": "The body came too slowly", "413": "The body is too large", **_PROBLEMS}
_BUS: Final = {
    "name": "bus",
    "in": "query",
    "description": "The bus that the request is about",
    "schema": {"type": "string", "default": "default"},
}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": _TEXT}
_PAGE: Final = [
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 1_000}},
    {"name": "after", "in": "query", "description": "Only ids behind this one", "schema": {"type": "string"}},
]


def document(server: str) -> dict[str, Any]:
    """The description, with the address under which the API is reached."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "CloudEvents Subscriptions API",
            "version": version("eventroute"),
            "description": "Subscriptions of an event router, after the CloudEvents Subscriptions API 0.1.",
        },
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    one = {"parameters": [_ID, _BUS]}
    return {
        "/subscriptions": {
            "parameters": [_BUS],
            "get": _operation("getSubscriptions", "List", {"200": _many()}, _PROBLEMS, parameters=_PAGE),
            "post": _operation("createSubscription", "Create", {"201": _created()}, _WITH_BODY, body="Subscription"),
            "options": _operation("getFeatures", "What can be done", {"200": {"description": "See Allow"}}, {}),
        },
        "/subscriptions/{id}": {
            **one,
            "get": _operation("getSubscription", "Retrieve", {"200": _single()}, _PROBLEMS),
            "put": _operation(
                "updateSubscription",
                "Update, or create where there is none",
                {"200": _single(), "201": _created()},
                {**_WITH_BODY, "409": "The id is taken on another bus"},
                body="Subscription",
            ),
            "delete": _operation("deleteSubscription", "Remove", {"200": _single()}, _PROBLEMS),
            "options": _operation(
                "getSubscriptionFeatures", "What can be done", {"200": {"description": "See Allow"}}, {}
            ),
        },
        "/subscriptions/{id}/pause": {
            **one,
            "post": _operation("pauseSubscription", "Pause", {"200": _single()}, _WITH_BODY, body="Pause"),
        },
        "/subscriptions/{id}/resume": {
            **one,
            "post": _operation("resumeSubscription", "Resume", {"200": _single()}, _PROBLEMS),
        },
        "/subscriptions/{id}/replays": {
            **one,
            "get": _operation("getReplays", "List the replays that are under way", {"200": _replays()}, _PROBLEMS),
            "post": _operation(
                "startReplay",
                "Deliver a part of the log again",
                {"201": _replay()},
                {**_WITH_BODY, "409": "Retention has taken the start away, or too many replays are under way"},
                body="Part",
            ),
        },
        "/subscriptions/{id}/replays/{name}": {
            "parameters": [_ID, {**_ID, "name": "name"}, _BUS],
            "delete": _operation("cancelReplay", "End a replay where it is", {"200": _replay()}, _PROBLEMS),
        },
    }


def _operation(
    name: str,
    summary: str,
    answers: dict[str, Any],
    problems: dict[str, str],
    *,
    body: str = "",
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": {**answers}}
    for status, why in problems.items():
        content = {"application/problem+json": {"schema": _ref("Problem")}}
        operation["responses"][status] = {"description": why, "content": content}
    if body:
        content = {"application/json": {"schema": _ref(body)}}
        operation["requestBody"] = {"required": body == "Subscription", "content": content}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _single() -> dict[str, Any]:
    return {"description": "The subscription", "content": {"application/json": {"schema": _ref("Subscription")}}}


def _created() -> dict[str, Any]:
    return {
        **_single(),
        "description": "It is in force for every event published from now on",
        "headers": {"Location": {"schema": {"type": "string", "format": "uri"}}},
    }


def _many() -> dict[str, Any]:
    listed = {"type": "array", "items": _ref("Subscription")}
    return {
        "description": "Subscriptions in the order of their ids; a Link with rel=next where there are more",
        "content": {"application/json": {"schema": listed}},
    }


def _replay() -> dict[str, Any]:
    return {"description": "The replay", "content": {"application/json": {"schema": _ref("Replay")}}}


def _replays() -> dict[str, Any]:
    listed = {"type": "array", "items": _ref("Replay")}
    return {"description": "Those under way", "content": {"application/json": {"schema": listed}}}


def _schemas() -> dict[str, Any]:
    problem = {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "where": {"type": "string"},
        },
    }
    pause = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"reason": {**_TEXT, "maxLength": 200}},
    }
    offset = {"type": "integer", "minimum": 0}
    place = {"oneOf": [{"type": "string"}, offset]}
    part = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "start": {**place, "description": "earliest (the default), an offset or an RFC 3339 time"},
            "end": {**place, "description": "An offset or an RFC 3339 time, not included; else the subscription's own"},
        },
    }
    replay = {
        "type": "object",
        "properties": {"name": _TEXT, "start": offset, "position": offset, "end": offset},
    }
    return {"Subscription": _subscription(), "Problem": problem, "Pause": pause, "Part": part, "Replay": replay}


def _subscription() -> dict[str, Any]:
    one_filter = {"oneOf": [{"type": "object", "minProperties": 1, "maxProperties": 1}, _TEXT]}
    return {
        "type": "object",
        "required": ["sink"],
        "additionalProperties": False,
        "properties": {
            "id": {**_TEXT, "maxLength": 128},
            "bus": {**_TEXT, "maxLength": 128},
            "start": {
                "oneOf": [{"type": "string"}, {"type": "integer", "minimum": 0}],
                "description": "latest, earliest, an offset or an RFC 3339 time; counts at creation only",
            },
            "source": _TEXT,
            "types": {"type": "array", "items": _TEXT},
            "filters": {"type": "array", "items": one_filter, "description": "All of them must match"},
            "transformer": {"type": "object"},
            "sink": {"type": "string", "format": "uri"},
            "sinkcredential": {"type": "object", "description": "Secrets by reference only: env:NAME, file:PATH"},
            "protocol": {"type": "string", "enum": ["HTTP"]},
            "protocolsettings": {"type": "object"},
            "config": {"type": "object"},
            "status": _status(),
        },
    }


def _status() -> dict[str, Any]:
    return {
        "type": "object",
        "readOnly": True,
        "properties": {
            "revision": {"type": "integer", "minimum": 1},
            "paused": {"type": "string", "description": "Why it is paused; absent while it is not"},
            "pausedat": {"type": "string", "format": "date-time"},
            "reader": {"type": "string", "description": "`live`, or the reader of its own that it has"},
        },
    }
