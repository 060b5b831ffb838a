"""Signatures by Standard Webhooks 1.0: HMAC-SHA256 over id, time and body."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.credentials import SecretText, check_secret, stored_secret
from eventroute.push.policy.settings import only
from eventroute.secrets import Secret

__all__ = ["Signing", "message_id", "signature_headers", "signing_key"]

PREFIX = "whsec_"
LEAST_KEY, MOST_KEY = 24, 64
"""Bounds of a key, in bytes, as the standard has them."""

MAX_SECRETS = 8
"""How many secrets may sign at once."""


def _secrets(values: Iterable[SecretText]) -> tuple[SecretText, ...]:
    return (values,) if isinstance(values, str | Secret) else tuple(values)


def _check_secrets(instance: object, attribute: attrs.Attribute[Any], values: Sequence[object]) -> None:
    if not 1 <= len(values) <= MAX_SECRETS:
        raise InvalidSubscription(f"must be 1 to {MAX_SECRETS} references", where="signing.secrets")
    for value in values:
        try:
            check_secret(instance, attribute, value)
        except InvalidSubscription as error:
            raise InvalidSubscription(error.reason, where="signing.secrets") from None


@frozen(kw_only=True)
class Signing:
    """Each request is signed with each of these secrets, so that one can be replaced while receivers still know the
    other. A secret is `whsec_` and the base64 of a key of 24 to 64 random bytes.
    """

    secrets: Sequence[SecretText] = field(converter=_secrets, validator=_check_secrets, repr=False)

    @classmethod
    def from_dict(cls, document: object, where: str) -> Signing:
        """Read `{"secrets": [references]}`."""
        secrets = only(document, frozenset({"secrets"}), where).get("secrets")
        if not isinstance(secrets, list | tuple | str):
            raise InvalidSubscription("must be a list of references", where=f"{where}.secrets")
        try:
            return cls(secrets=secrets)
        except InvalidSubscription as error:
            raise InvalidSubscription(error.reason, where=f"{where}.secrets") from None

    def to_dict(self, where: str = "protocolsettings.signing") -> dict[str, Any]:
        """Its JSON form: references only. A secret in clear is refused; `where` is the place that the error names."""
        return {"secrets": [stored_secret(secret, f"{where}.secrets") for secret in self.secrets]}


def signing_key(secret: Secret) -> bytes:
    """The key that a secret stands for. Raises ValueError, without a word of it, where it stands for none."""
    text = secret.reveal().removeprefix(PREFIX)
    try:
        key = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_KEY <= len(key) <= MOST_KEY:
        raise ValueError(f"is not {PREFIX} and the base64 of {LEAST_KEY} to {MOST_KEY} bytes")
    return key


def message_id(*parts: str) -> str:
    """An id made of what names a message: it has no full stop, and nobody outside can choose it."""
    digest = sha256(b"".join(b"%d:%b" % (len(raw), raw) for raw in [part.encode() for part in parts])).digest()
    return f"msg_{urlsafe_b64encode(digest[:21]).decode()}"


def signature_headers(keys: Iterable[bytes], identity: str, now: float, body: bytes) -> list[tuple[str, str]]:
    """The three headers of a request that is made at `now` (wall clock, seconds)."""
    timestamp = str(int(now))
    content = b".".join((identity.encode(), timestamp.encode(), body))
    signatures = [b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return [
        ("webhook-id", identity),
        ("webhook-timestamp", timestamp),
        ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
    ]
