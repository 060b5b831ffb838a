"""A broker's Subscriptions API, as the command line asks it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Final

from attrs import field, frozen

from eventroute.cli.failure import Failure
from eventroute.errors import InvalidConfiguration
from eventroute.jsontext import decode_json, encode_json
from eventroute.secrets import Secrets

__all__ = ["ApiRefused", "RemoteSubscriptions"]

TIMEOUT: Final = 30.0
"""Seconds for one answer."""

MAX_ANSWER: Final = 64 << 20
"""Bytes of an answer that are read."""


class ApiRefused(Failure):
    """The API said no, or could not be reached."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message, "ApiRefused", where)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A credential goes to the address that was given, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _base(url: str) -> str:
    return url.rstrip("/")


def _check_address(_instance: object, _attribute: object, url: str) -> None:
    try:
        known = urllib.parse.urlsplit(url).scheme in ("http", "https")
    except ValueError:  # which tells a password, too
        known = False
    if not known:
        shown = repr(url) if "@" not in url else "what is given"
        raise InvalidConfiguration(f"{shown} is not an http or https URL", where="--api")


@frozen
class RemoteSubscriptions:
    """The subscriptions of one bus, over the API at a URL.

    `credential` is a reference to a bearer token (`env:NAME`, `file:PATH`), or `USER@REFERENCE` to a password.
    """

    url: str = field(converter=_base, validator=_check_address)
    bus: str
    credential: str | None = None

    def list(self) -> list[dict[str, Any]]:
        """All of the bus."""
        found: list[dict[str, Any]] = []
        while page := self._ask("GET", "subscriptions", after=found[-1]["id"] if found else ""):
            found += page
        return found

    def get(self, name: str) -> dict[str, Any]:
        """One."""
        found: dict[str, Any] = self._ask("GET", f"subscriptions/{_quoted(name)}")
        return found

    def put(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Create or update one."""
        made: dict[str, Any] = self._ask("PUT", f"subscriptions/{_quoted(name)}", document)
        return made

    def delete(self, name: str) -> None:
        """Remove one."""
        self._ask("DELETE", f"subscriptions/{_quoted(name)}")

    def pause(self, name: str, reason: str) -> None:
        """Pause one."""
        self._ask("POST", f"subscriptions/{_quoted(name)}/pause", {"reason": reason})

    def resume(self, name: str) -> None:
        """Resume one."""
        self._ask("POST", f"subscriptions/{_quoted(name)}/resume")

    def replay(self, name: str, part: dict[str, Any]) -> dict[str, Any]:
        """Begin to replay a part of the log."""
        begun: dict[str, Any] = self._ask("POST", f"subscriptions/{_quoted(name)}/replays", part)
        return begun

    def replays(self, name: str) -> Sequence[dict[str, Any]]:
        """The replays that are under way."""
        found: Sequence[dict[str, Any]] = self._ask("GET", f"subscriptions/{_quoted(name)}/replays")
        return found

    def cancel_replay(self, name: str, replay: str) -> dict[str, Any] | None:
        """End one of them; None: it is not there."""
        if all(one["name"] != replay for one in self.replays(name)):
            return None
        ended: dict[str, Any] = self._ask("DELETE", f"subscriptions/{_quoted(name)}/replays/{_quoted(replay)}")
        return ended

    def _ask(self, method: str, path: str, document: object = None, **query: str) -> Any:
        url = f"{self.url}/{path}?{urllib.parse.urlencode({'bus': self.bus, **query})}"
        body = None if document is None else encode_json(document)
        request = urllib.request.Request(url, body, self._headers(), method=method)  # noqa: S310 - http or https
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(request, timeout=TIMEOUT) as answer:
                return decode_json(answer.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise ApiRefused(*_reason(error)) from None
        except (OSError, HTTPException, ValueError) as error:
            raise ApiRefused(f"{self.url} gives no answer: {getattr(error, 'reason', error)}") from error

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.credential is not None:
            user, at, reference = self.credential.rpartition("@")
            secret = Secrets().get(reference).reveal()
            pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
            headers["authorization"] = f"Basic {pair}" if at else f"Bearer {secret}"
        return headers


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, safe="")


def _reason(error: urllib.error.HTTPError) -> tuple[str, str]:
    """What the problem document says (RFC 9457), and the place that it names."""
    try:
        problem = json.loads(error.read(MAX_ANSWER))
        where = str(problem.get("where") or "")
        return f"{where}: {problem['detail']}" if where else str(problem["detail"]), where
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        return f"the answer was {error.code} {error.reason}", ""
