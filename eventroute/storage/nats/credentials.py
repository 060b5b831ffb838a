"""Files of credentials, of which the client does not tell what is wrong with one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

__all__ = ["fault_of", "refusal_of", "signing_faults"]

_PARTS = (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")
_REFUSALS = ("authorization", "authentication expired", "authentication revoked")
"""The server's words: at the beginning, and later, of a user or of an account."""


def fault_of(path: str) -> str | None:
    """Why a file is of no use, where it is not: in one without credentials the client looks for them for ever."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return f"the credentials {path} cannot be read: {error.strerror}"
    if any(part not in content for part in _PARTS):
        return f"{path} is no file of credentials: it has no user JWT, or no seed"
    if find_spec("nkeys") is None:
        return "credentials need the package nkeys: pip install 'eventroute[nats]'"
    return None


def refusal_of(path: str | None, told: str) -> str:
    """What a server says against a connection, with the file where that is what it does not accept."""
    if path is None or not any(word in told.lower() for word in _REFUSALS):
        return told
    return f"the server refuses the credentials {path}: unknown to it, expired or revoked? ({told})"


def signing_faults() -> tuple[type[Exception], ...]:
    """What the client raises where a seed is none."""
    if find_spec("nkeys") is None:
        return ()
    return (import_module("nkeys").NkeysError, ValueError)
