"""An operator, an account and its users, who sign in to a server of our own by JWTs that are made here."""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks.nats import ADDRESS

__all__ = ["Authority"]

# Who says that there is NATS wants this tried.
nkeys: Any = import_module("nkeys") if ADDRESS in os.environ else pytest.importorskip("nkeys")

_NO_LIMITS = {"subs": -1, "data": -1, "payload": -1}
_OF_ACCOUNT = {**_NO_LIMITS, "conn": -1, "leaf": -1, "imports": -1, "exports": -1, "wildcards": True}
_STREAMS = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
"""Without it an account has no JetStream, as that of the system must not have."""


class Authority:
    """Who may sign in to a server that is started with `settings`."""

    def __init__(self, folder: Path) -> None:
        self.settings = folder / "settings"
        self._operator = _key(nkeys.PREFIX_BYTE_OPERATOR)
        self._system = _key(nkeys.PREFIX_BYTE_ACCOUNT)
        self._account = _key(nkeys.PREFIX_BYTE_ACCOUNT)
        self.user = _key(nkeys.PREFIX_BYTE_USER)
        self._write({})

    def revoke(self) -> None:
        """From the server's next start on, let nobody in who was told by now that they may."""
        self._write({"*": int(time.time())})

    def _write(self, revoked: dict[str, int]) -> None:
        limits = {**_OF_ACCOUNT, **_STREAMS}
        account = _signed(self._operator, self._account, "account", limits=limits, revocations=revoked)
        system = _signed(self._operator, self._system, "account", limits=_OF_ACCOUNT)
        self.settings.write_text(
            f"operator: {_signed(self._operator, self._operator, 'operator')}\n"
            f"system_account: {_name(self._system)}\nresolver: MEMORY\nresolver_preload: {{\n"
            f"{_name(self._account)}: {account}\n{_name(self._system)}: {system}\n}}\n",
            encoding="ascii",
        )

    def let_in(self, *, lasts: float | None = None, issued: float = 0) -> str:
        """The JWT of the user, which lasts so many seconds, and was issued so many after now."""
        return _signed(self._account, self.user, "user", lasts, issued, **_NO_LIMITS)

    def stranger(self) -> str:
        """A JWT of the user by an account that the server does not know."""
        return _signed(_key(nkeys.PREFIX_BYTE_ACCOUNT), self.user, "user", **_NO_LIMITS)

    def seed(self) -> str:
        """That of the user."""
        return str(bytes(self.user.seed), "ascii")

    @staticmethod
    def other_seed() -> str:
        """That of nobody."""
        return str(bytes(_key(nkeys.PREFIX_BYTE_USER).seed), "ascii")


def credentials(jwt: str, seed: str) -> str:
    """A file of credentials, as `nsc` writes it."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        "NKEY Seed printed below can be used to sign and prove identity.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n\n"
        "*************************************************************\n"
    )


def _key(kind: int) -> Any:
    return nkeys.from_seed(bytearray(nkeys.encode_seed(secrets.token_bytes(32), kind)))


def _name(key: Any) -> str:
    return str(key.public_key, "ascii")


def _signed(by: Any, whom: Any, kind: str, lasts: float | None = None, issued: float = 0, **more: Any) -> str:
    now = time.time()
    claims = {
        "jti": secrets.token_hex(8),
        "iat": int(now + issued),
        "iss": _name(by),
        "sub": _name(whom),
        "name": kind,
        "nats": {"type": kind, "version": 2, **more},
        **({} if lasts is None else {"exp": int(now + lasts)}),
    }
    text = ".".join(_encoded(json.dumps(one).encode()) for one in ({"typ": "JWT", "alg": "ed25519-nkey"}, claims))
    return f"{text}.{_encoded(by.sign(text.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
