"""HTTP sinks: events pushed by the HTTP protocol binding, and answers read as outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from attrs import define, evolve, field, frozen

from eventroute.binding import encode_binary, encode_structured, join_batch
from eventroute.clock import Clock, SystemClock
from eventroute.errors import InvalidConfiguration, InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.addresses import AddressPolicy, ForbiddenAddress, Lookup, Target, look_up
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.reply import Append
from eventroute.push.policy.signing import message_id, signature_headers
from eventroute.push.policy.webhook import Consent, Handshake, read_consent
from eventroute.push.sinks.authorization import Authorization
from eventroute.push.sinks.base import Message
from eventroute.push.sinks.client import Answer, HttpClient, HttpSettings, NoAnswer, Request
from eventroute.push.sinks.references import endpoints_of, references_of
from eventroute.push.sinks.replies import publish_reply
from eventroute.push.sinks.shared import Family, NotReady, Shared

__all__ = ["HttpSink", "HttpSinks", "retry_after"]

FORBIDDEN = "forbidden-address"

SHOWN = 400
"""How many bytes of a refusal's body are kept with the delivery."""

CONSENT_FOR = float("inf")
"""An endpoint's consent holds while the process lives; the next one asks again."""


@frozen
class _Asked:
    """What consent is asked for: an endpoint, by whom, and over which connection."""

    url: str = field(repr=False)
    policy: DeliveryPolicy = field(eq=False, repr=False)
    handshake: Handshake


@define(kw_only=True, eq=False)
class HttpSinks:
    """The HTTP sinks of one router: one pool of connections for all of them.

    `lookup` finds the addresses of a host; what it finds is checked by `settings.addresses`. `append` publishes the
    events that come back in answers.
    """

    settings: HttpSettings = field(factory=HttpSettings)
    lookup: Lookup = look_up
    clock: Clock = field(factory=SystemClock)
    append: Append | None = None
    client: HttpClient | None = field(default=None, init=False)
    authorization: Authorization = field(init=False)
    consents: Family[_Asked, Consent] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.authorization = Authorization(self.settings, self.clock, self._ask_endpoint)
        self.consents = Family(lambda asked: Shared(self.clock, _Question(self, asked).ask))

    @property
    def schemes(self) -> frozenset[str]:
        """`http` and `https`, allowed or not: the address policy says why."""
        return frozenset({"http", "https"})

    async def open(self) -> None:
        """Start the client of the running event loop; raises InvalidConfiguration where its extra is missing."""
        extra, make = ("http", _on_asyncio) if _runs_asyncio() else ("trio", _on_trio)
        try:
            self.client = make(self.settings, self.lookup)
        except ModuleNotFoundError as error:
            raise InvalidConfiguration(
                f"HTTP sinks need {error.name}: pip install 'eventroute[{extra}]'", where="sink"
            ) from error

    async def aclose(self) -> None:
        """Close all connections."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()

    async def exchange(self, request: Request) -> Answer:
        """As `HttpClient.send`; also raises NotReady. The client checks addresses, not the rest of a URL."""
        if self.client is None:
            raise NotReady("not-open", "the provider of HTTP sinks is not open")
        return await self.client.send(request)

    async def _ask_endpoint(self, request: Request) -> Answer:
        self.settings.addresses.check_target(Target.parse(request.url))
        return await self.exchange(request)

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Refuse a URL that is malformed, or that the address policy forbids as it stands there; so too the URL of a
        token endpoint, a secret that may not be used here, and what needs more than the settings have.
        """
        _check_url(self.settings.addresses, address, "sink")
        for place, url in endpoints_of(policy):
            _check_url(self.settings.addresses, url, place)
        for place, reference in references_of(policy):
            try:
                self.settings.secrets.check(reference)
            except InvalidConfiguration as error:
                raise InvalidSubscription(error.reason, where=place) from None
        if policy.certificate is not None and not (self.settings.tls is None or callable(self.settings.tls)):
            raise InvalidSubscription(
                "a certificate needs a TLS context of its own: give HttpSettings(tls=...) a function that makes them",
                where="policy.certificate",
            )

    def sink(self, address: str, policy: DeliveryPolicy) -> HttpSink:
        """The sink at a URL; one that the address policy forbids rejects every event."""
        forbidden: Rejected | None = None
        try:
            self.settings.addresses.check_target(Target.parse(address))
        except ForbiddenAddress as error:
            forbidden = Rejected(FORBIDDEN, str(error))
        return HttpSink(self, address, policy, forbidden)


def _runs_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# Slow to import, and extras.


def _on_asyncio(settings: HttpSettings, lookup: Lookup) -> HttpClient:
    from eventroute.push.sinks.aiohttp_client import AiohttpClient  # noqa: PLC0415

    return AiohttpClient(settings, lookup)


def _on_trio(settings: HttpSettings, lookup: Lookup) -> HttpClient:
    from eventroute.push.sinks.h11_client import H11Client  # noqa: PLC0415

    return H11Client(settings, lookup)


def _check_url(addresses: AddressPolicy, url: str, where: str) -> None:
    try:
        addresses.check_target(Target.parse(url))
    except ForbiddenAddress as error:
        raise InvalidSubscription(str(error), where=where) from error


@define(eq=False)
class HttpSink:
    """One URL that events are pushed to."""

    provider: HttpSinks = field(repr=False)
    url: str = field(repr=False)  # its path may be a secret
    policy: DeliveryPolicy
    forbidden: Rejected | None = None
    consent: Shared[Consent] | None = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        handshake = self.policy.handshake
        asked = None if handshake is None else _Asked(self.url, self.policy, handshake)
        self.consent = None if asked is None else self.provider.consents.of(asked)

    @property
    def rate(self) -> Rate | None:
        """The requests that the endpoint allows, once it has been asked."""
        consent = None if self.consent is None else self.consent.last
        return None if consent is None else consent.rate

    async def send(self, event: Event) -> Outcome:
        """Push one event; what comes back, or nothing, is an outcome by the policy's table."""
        return await self.send_messages((Message(event, event, f"{event.source} {event.id}"),))

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        """Push one or more events in one request."""
        if self.forbidden is not None:
            return self.forbidden
        try:
            if self.consent is not None:
                await self.consent.get()
            answer = await self._exchange(messages)
        except ForbiddenAddress as error:
            return Rejected(FORBIDDEN, str(error))
        except (NoAnswer, NotReady) as error:
            return RetryLater(error.reason, str(error))
        outcomes, status = self.policy.outcomes, answer.status
        outcome = outcomes.outcome(status)
        if isinstance(outcome, Delivered):
            if self.policy.reply is None or not 200 <= status < 300:
                return outcome
            return await publish_reply(self.provider.append, self.policy, answer, messages) or outcome
        wait = retry_after(answer.headers.get("Retry-After"), self.provider.clock.time())
        return outcomes.outcome(status, retry_after=wait, error=_told(answer))

    async def _exchange(self, messages: Sequence[Message]) -> Answer:
        """One request; a second one where the first was answered 401 and there is a newer credential."""
        request = await self._request(messages)
        credential = self.policy.credential
        if credential is None:
            return await self.provider.exchange(request)
        shared = self.provider.authorization.header(credential)
        header = await shared.get()
        answer = await self.provider.exchange(_with(request, header.name, header.value))
        if answer.status != 401:
            return answer
        newer = await shared.renew(header)
        if newer is header:
            return answer
        return await self.provider.exchange(_with(request, newer.name, newer.value))

    async def _request(self, messages: Sequence[Message]) -> Request:
        policy, authorization = self.policy, self.provider.authorization
        headers, body = self._encoded(messages)
        if policy.handshake is not None:
            headers.append(("webhook-request-origin", policy.handshake.origin))
        if policy.signing is not None:
            keys = await authorization.keys(policy.signing)
            identity = message_id(*[message.key for message in messages])
            headers += signature_headers(keys, identity, self.provider.clock.time(), body)
        headers.extend(policy.headers.items())
        tls = None if policy.certificate is None else await authorization.tls(policy.certificate)
        return Request(policy.method, self.url, headers, body, policy.timeout, tls, whole=policy.reply is not None)

    def _encoded(self, messages: Sequence[Message]) -> tuple[list[tuple[str, str]], bytes]:
        if self.policy.mode == "batch" or len(messages) > 1:
            return join_batch([message.document for message in messages])
        event = messages[0].event
        if self.policy.mode == "binary":
            headers, body = encode_binary(event)
            if body:
                return headers, body
        # The CloudEvents webhook specification forbids empty bodies: an event without data goes whole.
        return encode_structured(event)


@define(eq=False)
class _Question:
    """The handshake with one endpoint (webhook specification, section 4.1)."""

    provider: HttpSinks
    asked: _Asked

    async def ask(self, _before: Consent | None) -> tuple[Consent, float]:
        """Ask for consent. Raises NotReady where there is none, NoAnswer, ForbiddenAddress."""
        policy, handshake = self.asked.policy, self.asked.handshake
        certificate = policy.certificate
        tls = None if certificate is None else await self.provider.authorization.tls(certificate)
        headers = handshake.request_headers
        answer = await self.provider.exchange(Request("OPTIONS", self.asked.url, headers, b"", policy.timeout, tls))
        consent = read_consent(handshake, answer.headers)
        if isinstance(consent, str):
            raise NotReady("no-consent", consent)
        return consent, CONSENT_FOR


def _with(request: Request, name: str, value: str) -> Request:
    """The request with a credential's header, in the place of one of that name from the policy's headers."""
    lower = name.lower()
    return evolve(request, headers=[*(pair for pair in request.headers if pair[0].lower() != lower), (name, value)])


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
