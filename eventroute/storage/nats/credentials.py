"""Files of credentials, of which the client does not tell what is wrong with one."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

__all__ = ["fault_of", "signing_faults"]

_PARTS = (b"BEGIN NATS USER JWT", b"BEGIN USER NKEY SEED")


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


def signing_faults() -> tuple[type[Exception], ...]:
    """What the client raises where a seed is none."""
    if find_spec("nkeys") is None:
        return ()
    return (import_module("nkeys").NkeysError, ValueError)
