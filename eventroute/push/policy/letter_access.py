"""How a URL that takes dead letters knows who sends them: a credential, a certificate, a signature."""

from __future__ import annotations

from typing import Any, get_args

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.credentials import ClientCertificate, Credential, credential_from_dict, credential_to_dict
from eventroute.push.policy.settings import instance_of, only, optional, plain
from eventroute.push.policy.signing import Signing

__all__ = ["DeadLetterAccess"]

_PLACE = "policy.dead_letter_access"


@frozen(kw_only=True)
class DeadLetterAccess:
    """What the URL in a policy's `dead_letter` is shown: one of these at the least, each as it is for a sink.

    Secrets are given by reference. Raises InvalidSubscription naming the setting.
    """

    credential: Credential | None = field(
        default=None, validator=optional(instance_of(*get_args(Credential), place=_PLACE)), repr=False
    )
    """How the endpoint knows who sends."""

    certificate: ClientCertificate | None = field(
        default=None, validator=optional(instance_of(ClientCertificate, place=_PLACE)), repr=False
    )
    """What is shown in the TLS handshake."""

    signing: Signing | None = field(default=None, validator=optional(instance_of(Signing, place=_PLACE)), repr=False)
    """Requests are signed by Standard Webhooks."""

    def __attrs_post_init__(self) -> None:
        if self.credential is None and self.certificate is None and self.signing is None:
            raise InvalidSubscription("has neither credential nor certificate nor signing", where=_PLACE)

    @classmethod
    def from_dict(cls, document: object, where: str) -> DeadLetterAccess:
        """Read `{"credential": {...}, "certificate": {...}, "signing": {...}}`: a credential as `sinkcredential`."""
        given = only(document, frozenset(one.name for one in attrs.fields(cls)), where)
        if "credential" in given:
            given["credential"] = credential_from_dict(given["credential"], f"{where}.credential")
        if "certificate" in given:
            given["certificate"] = plain(ClientCertificate, given["certificate"], f"{where}.certificate")
        if "signing" in given:
            given["signing"] = Signing.from_dict(given["signing"], f"{where}.signing")
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form: references only. A secret in clear is refused."""
        where, written = "config.dead_letter_access", dict[str, Any]()
        if self.credential is not None:
            written["credential"] = credential_to_dict(self.credential, f"{where}.credential")
        if self.certificate is not None:
            written["certificate"] = self.certificate.to_dict(f"{where}.certificate")
        if self.signing is not None:
            written["signing"] = self.signing.to_dict(f"{where}.signing")
        return written
