"""Access tokens by OAuth 2 (RFC 6749): the request to a token endpoint, and what its answer says. No I/O."""

from __future__ import annotations

import math
import re
from base64 import b64encode
from urllib.parse import quote_plus, urlencode

import msgspec
from attrs import field, frozen

from eventroute.push.policy.credentials import ClientCredentials, RefreshCredential
from eventroute.push.sinks.client import Answer, Request
from eventroute.push.sinks.shared import NotReady

__all__ = ["Token", "read_token", "token_request"]

TOKEN_TIMEOUT = 30.0
"""How long a token endpoint may take, in seconds; the attempt that waits for it has its own bound too."""

DEFAULT_LIFE = 3_600.0
"""How long a token is taken to be good that says nothing, in seconds; a 401 ends it sooner."""

LONGEST_LIFE = 31_536_000.0
_EARLY = 30.0  # a token is replaced so many seconds before it expires, but not before half of its life

_WORD = re.compile(r"[!-~]{1,16384}")
_CODE = re.compile(r"[a-z_]{1,40}")


@frozen
class Token:
    """What a token endpoint answered."""

    access: str = field(repr=False)
    life: float
    """For how many seconds it is to be used."""
    refresh: str | None = field(repr=False)
    """A new refresh token, where there is one."""


class _Success(msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float | str | None = None
    refresh_token: str | None = None


class _Failure(msgspec.Struct):
    error: str


def token_request(
    credential: ClientCredentials | RefreshCredential, secret: str | None, refresh_token: str | None = None
) -> Request:
    """The request for a token; `secret` is that of the client, `refresh_token` the one in force."""
    form: dict[str, str] = {}
    if isinstance(credential, ClientCredentials):
        form |= dict(credential.parameters)
        form["grant_type"] = "client_credentials"
    else:
        form["grant_type"] = "refresh_token"
        form["refresh_token"] = refresh_token or ""
    if credential.scope is not None:
        form["scope"] = credential.scope
    headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]
    if credential.client is not None and secret is not None and credential.authentication == "basic":
        pair = f"{quote_plus(credential.client)}:{quote_plus(secret)}"  # section 2.3.1: both are form-encoded first
        headers.append(("authorization", f"Basic {b64encode(pair.encode()).decode()}"))
    elif credential.client is not None:
        form["client_id"] = credential.client
        if secret is not None:
            form["client_secret"] = secret
    return Request("POST", credential.endpoint, headers, urlencode(form).encode(), TOKEN_TIMEOUT)


def read_token(answer: Answer) -> Token:
    """The token of an answer (section 5.1). Raises NotReady, which shows no more of the answer than an error code."""
    if answer.status != 200:
        raise NotReady("token-error", f"the token endpoint answered HTTP {answer.status}{_code(answer.body)}")
    try:
        success = msgspec.json.decode(answer.body, type=_Success)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotReady("token-error", "the token endpoint's answer is not one (RFC 6749, section 5.1)") from None
    if success.token_type.lower() != "bearer":
        raise NotReady("token-error", "the token endpoint gave a token that is not of the type Bearer")
    if not _WORD.fullmatch(success.access_token):
        raise NotReady("token-error", "the token endpoint gave a token that cannot stand in a header")
    return Token(success.access_token, _life(success.expires_in), success.refresh_token or None)


def _code(body: bytes) -> str:
    try:
        code = msgspec.json.decode(body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f": {code}" if _CODE.fullmatch(code) else ""


def _life(expires_in: float | str | None) -> float:
    try:
        seconds = DEFAULT_LIFE if expires_in is None else float(expires_in)
    except ValueError:
        seconds = DEFAULT_LIFE
    if math.isnan(seconds):
        seconds = DEFAULT_LIFE
    seconds = min(max(seconds, 0.0), LONGEST_LIFE)
    return max(seconds - _EARLY, seconds / 2)
