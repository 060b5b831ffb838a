"""What of a policy leads elsewhere: references to secrets, URLs of token endpoints; each with its place."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.credentials import ClientCredentials, RefreshCredential
from eventroute.secrets import is_reference

__all__ = ["endpoints_of", "references_of"]

_SECRETS = frozenset({"access_token", "certificate", "key", "password", "refresh_token", "secret", "token", "value"})


def endpoints_of(policy: DeliveryPolicy) -> Iterator[tuple[str, str]]:
    """The URLs, beside the sink's own, that a policy has requests sent to."""
    if isinstance(policy.credential, ClientCredentials | RefreshCredential):
        yield "policy.credential.endpoint", policy.credential.endpoint


def references_of(policy: DeliveryPolicy) -> Iterator[tuple[str, str]]:
    """The references to secrets in a policy; a secret in clear is none."""
    for place, value in (("credential", policy.credential), ("certificate", policy.certificate)):
        if value is not None:
            for one in attrs.fields(type(value)):
                content = getattr(value, one.name)
                if one.name in _SECRETS and is_reference(content):
                    yield f"policy.{place}.{one.name}", content
    for secret in () if policy.signing is None else policy.signing.secrets:
        if isinstance(secret, str):
            yield "policy.signing.secrets", secret
