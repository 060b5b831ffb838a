"""HTTP sinks: events pushed by the HTTP protocol binding, and answers read as outcomes."""

from __future__ import annotations

import asyncio
from datetime import UTC
from email.utils import parsedate_to_datetime

from attrs import define, field, frozen

from eventroute.binding import encode_binary, encode_structured
from eventroute.clock import Clock, SystemClock
from eventroute.errors import BackendUnsupported, InvalidConfiguration, InvalidSubscription
from eventroute.event import Event
from eventroute.push.addresses import ForbiddenAddress, Lookup, Target, look_up
from eventroute.push.outcome import Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.client import Answer, HttpClient, HttpSettings, NoAnswer, Request

__all__ = ["HttpSink", "HttpSinks", "retry_after"]

FORBIDDEN = "forbidden-address"

SHOWN = 400
"""How many bytes of a refusal's body are kept with the delivery."""


@define(kw_only=True, eq=False)
class HttpSinks:
    """The HTTP sinks of one router: one pool of connections for all of them.

    `lookup` finds the addresses of a host; what it finds is checked by `settings.addresses`.
    """

    settings: HttpSettings = field(factory=HttpSettings)
    lookup: Lookup = look_up
    clock: Clock = field(factory=SystemClock)
    client: HttpClient | None = field(default=None, init=False)

    @property
    def schemes(self) -> frozenset[str]:
        """`http` and `https`, allowed or not: the address policy says why."""
        return frozenset({"http", "https"})

    async def open(self) -> None:
        """Start the client.

        Raises BackendUnsupported where the event loop is not asyncio, InvalidConfiguration where aiohttp is missing.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise BackendUnsupported(
                "HTTP sinks need asyncio: run the router on asyncio, or hand in a sink provider for http and https"
            ) from None
        try:  # slow to import, and an extra
            from eventroute.push.sinks.aiohttp_client import AiohttpClient  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise InvalidConfiguration(
                f"HTTP sinks need {error.name}: pip install 'eventroute[http]'", where="sink"
            ) from error
        self.client = AiohttpClient(self.settings, self.lookup)

    async def aclose(self) -> None:
        """Close all connections."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Refuse a URL that is malformed, or that the address policy forbids as it stands there."""
        try:
            self.settings.addresses.check_target(Target.parse(address))
        except ForbiddenAddress as error:
            raise InvalidSubscription(str(error), where="sink") from error

    def sink(self, address: str, policy: DeliveryPolicy) -> HttpSink:
        """The sink at a URL; one that the address policy forbids rejects every event."""
        forbidden: Rejected | None = None
        try:
            self.settings.addresses.check_target(Target.parse(address))
        except ForbiddenAddress as error:
            forbidden = Rejected(FORBIDDEN, str(error))
        return HttpSink(self, address, policy, forbidden)


@frozen
class HttpSink:
    """One URL that events are pushed to."""

    provider: HttpSinks = field(repr=False)
    url: str = field(repr=False)  # its path may be a secret
    policy: DeliveryPolicy
    forbidden: Rejected | None = None

    async def send(self, event: Event) -> Outcome:
        """Push one event; what comes back, or nothing, is an outcome by the policy's table."""
        client = self.provider.client
        if client is None:
            return RetryLater("not-open", "the provider of HTTP sinks is not open")
        if self.forbidden is not None:
            return self.forbidden
        try:
            answer = await client.send(self._request(event))
        except ForbiddenAddress as error:
            return Rejected(FORBIDDEN, str(error))
        except NoAnswer as error:
            return RetryLater(error.reason, str(error))
        if 200 <= answer.status < 300:
            return self.policy.outcomes.outcome(answer.status)
        wait = retry_after(answer.headers.get("Retry-After"), self.provider.clock.time())
        return self.policy.outcomes.outcome(answer.status, retry_after=wait, error=_told(answer))

    def _request(self, event: Event) -> Request:
        # The CloudEvents webhook specification forbids empty bodies: an event without data goes whole.
        whole = self.policy.mode == "structured" or not event.data_bytes
        headers, body = encode_structured(event) if whole else encode_binary(event)
        headers.extend(self.policy.headers.items())
        return Request(self.policy.method, self.url, headers, body, self.policy.timeout)


def _told(answer: Answer) -> str:
    text = answer.body[:SHOWN].decode("utf-8", "replace")
    shown = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return f"HTTP {answer.status}: {shown}" if shown else f"HTTP {answer.status}"


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, section 10.2.3), or None where it asks for none.

    `now` is the wall clock in seconds; a date that has passed asks for 0.
    """
    text = (value or "").strip()
    if not 0 < len(text) <= 64:
        return None
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, moment - now)
