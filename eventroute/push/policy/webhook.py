"""The duties of a webhook's sender (CloudEvents webhook specification 1.0.2, section 4): ask before sending."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.settings import count, optional

__all__ = ["Consent", "Handshake", "read_consent"]

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"[0-9]{1,9}")


def _check_origin(_instance: object, _attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidSubscription("must be a DNS name such as events.example.com", where="handshake.origin")


@frozen(kw_only=True)
class Handshake:
    """Before the first event the endpoint is asked whether it wants any, by an OPTIONS request."""

    origin: str = field(validator=_check_origin)
    """The DNS name that stands for this sender: `WebHook-Request-Origin`, on every request from then on."""
    rate: int | None = field(default=None, validator=optional(count(1, 60_000_000, "handshake")))
    """Requests a minute that are asked for (`WebHook-Request-Rate`), 1 to 60,000,000; None: it is not said."""

    @property
    def request_headers(self) -> list[tuple[str, str]]:
        """The headers of the OPTIONS request."""
        rate = [] if self.rate is None else [("webhook-request-rate", str(self.rate))]
        return [("webhook-request-origin", self.origin), *rate]


@frozen
class Consent:
    """An endpoint agreed; `rate` is how many requests it allows, or None for any number."""

    rate: Rate | None


def read_consent(handshake: Handshake, headers: Mapping[str, str]) -> Consent | str:
    """What the headers of an answer to the OPTIONS request say; a text is why they are no consent.

    The status says nothing (section 4.2). An answer that allows the origin without a rate allows what was asked for.
    """
    origin = (headers.get("WebHook-Allowed-Origin") or "").strip()
    if not origin:
        return "the endpoint's answer to OPTIONS has no WebHook-Allowed-Origin"
    if origin != "*" and origin.lower() != handshake.origin.lower():
        return "the endpoint's WebHook-Allowed-Origin is another one"
    allowed = (headers.get("WebHook-Allowed-Rate") or "").strip()
    if not allowed:
        return Consent(None if handshake.rate is None else Rate.per_minute(handshake.rate))
    if allowed == "*":
        return Consent(None)
    if not _NUMBER.fullmatch(allowed) or int(allowed) == 0:
        return "the endpoint's WebHook-Allowed-Rate is neither * nor a number above 0"
    return Consent(Rate.per_minute(int(allowed)))
