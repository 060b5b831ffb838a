"""What a credential puts into a request: secrets looked up, tokens got and renewed, for all sinks of a router."""

from __future__ import annotations

import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.to_thread
from attrs import define, field, frozen

from eventroute.clock import Clock
from eventroute.errors import InvalidConfiguration, SecretNotFound
from eventroute.push.policy.credentials import (
    BasicCredential,
    BearerCredential,
    ClientCertificate,
    ClientCredentials,
    Credential,
    HeaderCredential,
    RefreshCredential,
    SecretText,
)
from eventroute.push.policy.signing import Signing, signing_key
from eventroute.push.sinks.client import Answer, HttpSettings, NoAnswer, Request
from eventroute.push.sinks.oauth import read_token, token_request
from eventroute.push.sinks.shared import Family, NotReady, Shared
from eventroute.secrets import Secret

__all__ = ["Authorization", "Header"]

SECRET_FOR = 60.0
"""For how many seconds a secret is used before it is looked up anew; a 401 has it looked up at once."""

_HEADER_TEXT = re.compile(r"[\t -~\xa0-\ud7ff\ue000-\uffff]*")

_surrogate = re.compile("[\ud800-\udfff]").search

Send = Callable[[Request], Awaitable[Answer]]


@frozen(eq=False)
class Header:
    """The header of a credential; two are the same only if they are one object."""

    name: str
    value: str = field(repr=False)


class Authorization:
    """The secrets of one router's HTTP sinks; what equal credentials lead to is got once and shared."""

    def __init__(self, settings: HttpSettings, clock: Clock, send: Send) -> None:
        self._settings = settings
        self._clock = clock
        self._send = send
        self._headers: Family[Credential, Header] = Family(self._header_of)
        self._keys: Family[Signing, tuple[bytes, ...]] = Family(self._keys_of)
        self._contexts: Family[ClientCertificate, _Context] = Family(self._context_of)

    def header(self, credential: Credential) -> Shared[Header]:
        """The header that a credential puts into a request."""
        return self._headers.of(credential)

    async def keys(self, signing: Signing) -> tuple[bytes, ...]:
        """The keys to sign with, in the order of the secrets. Raises NotReady."""
        return await self._keys.of(signing).get()

    async def tls(self, certificate: ClientCertificate) -> ssl.SSLContext:
        """A TLS context that shows a certificate. Raises NotReady."""
        return (await self._contexts.of(certificate).get()).tls

    async def secret(self, where: SecretText) -> str:
        """A secret. Raises NotReady."""
        if isinstance(where, Secret):
            return where.reveal()
        secrets = self._settings.secrets
        try:
            if where.startswith("env:"):
                found = secrets.get(where)
            else:
                found = await anyio.to_thread.run_sync(secrets.get, where)  # it may be a slow disk, or a network
        except (SecretNotFound, InvalidConfiguration) as error:
            raise NotReady("no-secret", str(error)) from None
        text = found.reveal()
        if not text.isascii() and _surrogate(text):
            raise NotReady("no-secret", f"the secret {where} is not UTF-8 text")
        return text

    def _header_of(self, credential: Credential) -> Shared[Header]:
        if isinstance(credential, ClientCredentials):
            return Shared(self._clock, _Granted(self, self._send, credential).fetch)
        if isinstance(credential, RefreshCredential):
            return Shared(self._clock, _Refreshed(self, self._send, self._clock, credential).fetch)

        async def look_up(before: Header | None) -> tuple[Header, float]:
            name, value = await self._plain(credential)
            _check_header(value)
            header = before if before is not None and before.value == value else Header(name, value)
            return header, min(SECRET_FOR, _left(credential, self._clock))

        return Shared(self._clock, look_up)

    async def _plain(self, credential: BasicCredential | BearerCredential | HeaderCredential) -> tuple[str, str]:
        if isinstance(credential, BasicCredential):
            pair = f"{credential.user}:{await self.secret(credential.password)}"
            return "authorization", f"Basic {b64encode(pair.encode()).decode()}"
        if isinstance(credential, HeaderCredential):
            return credential.name, await self.secret(credential.value)
        if _expired(credential.expires, self._clock):
            raise NotReady("credential-expired", "the access token has expired")
        return "authorization", f"{credential.scheme} {await self.secret(credential.token)}"

    def _keys_of(self, signing: Signing) -> Shared[tuple[bytes, ...]]:
        async def look_up(_before: tuple[bytes, ...] | None) -> tuple[tuple[bytes, ...], float]:
            return tuple([await self._key(where) for where in signing.secrets]), SECRET_FOR

        return Shared(self._clock, look_up)

    async def _key(self, where: SecretText) -> bytes:
        try:
            return signing_key(Secret(await self.secret(where)))
        except ValueError as error:
            name = "a secret" if isinstance(where, Secret) else f"the secret {where}"
            raise NotReady("no-secret", f"{name} cannot sign: it {error}") from None

    def _context_of(self, certificate: ClientCertificate) -> Shared[_Context]:
        async def look_up(before: _Context | None) -> tuple[_Context, float]:
            parts = (certificate.certificate, certificate.key, certificate.password)
            texts = tuple([None if part is None else await self.secret(part) for part in parts])
            if before is not None and before.texts == texts:
                return before, SECRET_FOR
            make = self._settings.tls if callable(self._settings.tls) else ssl.create_default_context
            try:
                context = await anyio.to_thread.run_sync(_load, make(), texts)
            except (OSError, ValueError) as error:
                raise NotReady("no-secret", f"the client certificate cannot be used: {type(error).__name__}") from None
            return _Context(context, texts), SECRET_FOR

        return Shared(self._clock, look_up)


@frozen(eq=False)
class _Context:
    tls: ssl.SSLContext
    texts: tuple[str | None, ...] = field(repr=False)


def _load(context: ssl.SSLContext, texts: tuple[str | None, ...]) -> ssl.SSLContext:
    """OpenSSL reads a certificate from files only: it is in one for a moment, in a folder that is ours alone."""
    certificate, key, password = texts
    with TemporaryDirectory(prefix="eventroute-") as folder:
        chain, private = Path(folder, "certificate.pem"), Path(folder, "key.pem")
        chain.write_text(certificate or "", encoding="utf-8")
        private.write_text(key or certificate or "", encoding="utf-8")
        context.load_cert_chain(chain, private, password or "")  # without one OpenSSL would ask at the terminal
    return context


def _left(credential: BasicCredential | BearerCredential | HeaderCredential, clock: Clock) -> float:
    expires = credential.expires if isinstance(credential, BearerCredential) else None
    return SECRET_FOR if expires is None else expires.timestamp() - clock.time()


def _expired(expires: datetime | None, clock: Clock) -> bool:
    return expires is not None and expires.timestamp() <= clock.time()


def _check_header(value: str) -> None:
    if not _HEADER_TEXT.fullmatch(value):
        raise NotReady("no-secret", "the secret cannot stand in a header: it has a control character")


@define(eq=False)
class _Granted:
    """Tokens by the client credentials grant."""

    authorization: Authorization
    send: Send
    credential: ClientCredentials

    async def fetch(self, _before: Header | None) -> tuple[Header, float]:
        secret = await self.authorization.secret(self.credential.secret)
        token = read_token(await _answer(self.send, token_request(self.credential, secret)))
        return Header("authorization", f"Bearer {token.access}"), token.life


@define(eq=False)
class _Refreshed:
    """Tokens by the refresh token grant; the first one may be there already."""

    authorization: Authorization
    send: Send
    clock: Clock
    credential: RefreshCredential
    refresh: str | None = field(default=None, repr=False)
    """The refresh token that the endpoint gave last."""

    async def fetch(self, before: Header | None) -> tuple[Header, float]:
        credential = self.credential
        if before is None and credential.access_token is not None and not _expired(credential.expires, self.clock):
            access = await self.authorization.secret(credential.access_token)
            _check_header(access)
            left = SECRET_FOR if credential.expires is None else credential.expires.timestamp() - self.clock.time()
            return Header("authorization", f"Bearer {access}"), left
        secret = None if credential.secret is None else await self.authorization.secret(credential.secret)
        refresh = self.refresh or await self.authorization.secret(credential.refresh_token)
        token = read_token(await _answer(self.send, token_request(credential, secret, refresh)))
        self.refresh = token.refresh or self.refresh
        return Header("authorization", f"Bearer {token.access}"), token.life


async def _answer(send: Send, request: Request) -> Answer:
    try:
        return await send(request)
    except NoAnswer as error:
        raise NotReady("token-error", f"the token endpoint does not answer: {error.reason}") from None
