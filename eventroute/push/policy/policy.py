"""How events are delivered to one subscription: one frozen value that travels whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.outcome import DEFAULT_OUTCOMES, OutcomeTable
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.credentials import ClientCertificate, Credential, credential_from_dict, credential_to_dict
from eventroute.push.policy.keys import check_order_by
from eventroute.push.policy.letter_access import DeadLetterAccess
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.reply import Reply
from eventroute.push.policy.settings import TOKEN, count, instance_of, mapping, number, one_of, only, optional, plain
from eventroute.push.policy.signing import Signing
from eventroute.push.policy.webhook import Handshake

__all__ = ["DeliveryPolicy"]

_FORBIDDEN_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_FORBIDDEN_PREFIXES = ("ce-", "webhook-")
_METHODS = frozenset({"POST", "PUT", "PATCH"})
_MODES = frozenset({"batch", "binary", "structured"})
_WHEN_STUCK = frozenset({"go-on", "hold"})


def _copy(headers: Mapping[str, str]) -> dict[str, str]:
    return dict(headers)


def _check_headers(_instance: object, _attribute: object, headers: Mapping[object, object]) -> None:
    for name, value in headers.items():
        where = f"policy.headers.{name}"
        if not isinstance(name, str) or not TOKEN.fullmatch(name):
            raise InvalidSubscription("is not a header name", where=where)
        if name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith(_FORBIDDEN_PREFIXES):
            raise InvalidSubscription("this header is set by eventroute and cannot be given", where=where)
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise InvalidSubscription("a header's value is printable ASCII text", where=where)


def _check_target(_instance: object, _attribute: object, target: object) -> None:
    where = "policy.dead_letter"
    if not isinstance(target, str) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", target):
        raise InvalidSubscription(f"{target!r} is neither bus:NAME nor a URL", where=where)
    if target.partition(":")[0].lower() in ("callable", "pull"):
        raise InvalidSubscription(
            f"{target!r}: dead letters go to a bus or a URL, not to who asks for them", where=where
        )


@frozen(kw_only=True)
class DeliveryPolicy:
    """How one subscription's events are delivered. Every value is checked when the policy is made.

    Durations are in seconds. Raises InvalidSubscription naming the setting.
    """

    mode: Literal["batch", "binary", "structured"] = field(default="binary", validator=one_of(_MODES))
    """The content mode of the CloudEvents HTTP binding (section 3)."""

    batch: Batch = field(factory=Batch, validator=instance_of(Batch))
    """How many events go into one request, where the mode is `batch`."""

    method: str = field(default="POST", validator=one_of(_METHODS))
    """The HTTP method: POST, PUT or PATCH."""

    headers: Mapping[str, str] = field(factory=dict, converter=_copy, validator=_check_headers, repr=False)
    """Headers sent with every request. Not for secrets: they are stored and shown in clear."""

    timeout: float = field(default=30.0, validator=number(0.001, 3_600))
    """How long one attempt may take (0.001 to 3,600); waiting for a slot does not count."""

    backoff: Backoff = field(factory=Backoff, validator=instance_of(Backoff))
    """How long to wait between attempts."""

    max_attempts: int | None = field(default=None, validator=optional(count(1, 1_000_000)))
    """Attempts before the event is dead-lettered as `retries-exhausted`; None: as many as `max_age` allows."""

    max_age: float = field(default=86_400.0, validator=number(0, 31_536_000))
    """Seconds from the event's first attempt after which it is not tried again (0 to one year)."""

    concurrency: int = field(default=16, validator=count(1, 1_024))
    """Attempts in flight at once, a worker."""

    max_in_flight: int | None = field(default=None, validator=optional(count(1, 1_024)))
    """Attempts in flight at once over all processes, of which one at a time then sends; None: no bound but theirs."""

    max_waiting: int = field(default=1_000, validator=count(1, 100_000))
    """Deliveries of this subscription that wait in the ledger; at this bound it reads no further."""

    order_by: str | None = field(default=None, validator=check_order_by)
    """A field as filters name them (`subject`, `data.customer.id`): events of one value go one at a time, in the order
    of the log. One that lacks it goes freely. None: there is no order."""

    when_stuck: Literal["go-on", "hold"] = field(default="go-on", validator=one_of(_WHEN_STUCK))
    """Once an event is dead-lettered, its key goes on, or is held until the dead letter is redriven or purged."""

    breaker: Breaker | None = field(factory=Breaker, validator=optional(instance_of(Breaker)))
    """When to stop trying while the sink is down, and when to probe it; None: never stop."""

    rate: Rate | None = field(default=None, validator=optional(instance_of(Rate)))
    """How many events a second are sent, by all processes together, of which one at a time then sends; beyond it they
    wait. None: no bound."""

    credential: Credential | None = field(
        default=None, validator=optional(instance_of(*get_args(Credential))), repr=False
    )
    """How the endpoint knows who sends."""

    certificate: ClientCertificate | None = field(
        default=None, validator=optional(instance_of(ClientCertificate)), repr=False
    )
    """What is shown in the TLS handshake."""

    signing: Signing | None = field(default=None, validator=optional(instance_of(Signing)), repr=False)
    """Requests are signed by Standard Webhooks."""

    handshake: Handshake | None = field(default=None, validator=optional(instance_of(Handshake)))
    """The endpoint is asked for its consent before the first event."""

    reply: Reply | None = field(default=None, validator=optional(instance_of(Reply)))
    """What becomes of an event in an answer; None: nothing."""

    dead_letter: str | None = field(default=None, validator=optional(_check_target))
    """Where dead letters go: `bus:NAME`, or a URL; None: they stay in the ledger. A URL gets them in binary mode: where
    that is not enough, use a bus, and a subscription of it.
    """

    dead_letter_access: DeadLetterAccess | None = field(
        default=None, validator=optional(instance_of(DeadLetterAccess)), repr=False
    )
    """How the URL that dead letters go to knows who sends them; None: it is shown nothing. The sink's `credential`,
    `certificate` and `signing` are never shown to it.
    """

    max_hops: int = field(default=16, validator=count(1, 255))
    """How often an event, or the one that it answers, may go from a bus to a bus."""

    mark_replays: bool = field(default=False, validator=instance_of(bool))
    """Whether an event that a replay delivers has an attribute `replayname`, with the replay's name."""

    outcomes: OutcomeTable = field(default=DEFAULT_OUTCOMES, validator=instance_of(OutcomeTable))
    """Which HTTP status means which outcome."""

    def __attrs_post_init__(self) -> None:
        if self.when_stuck != "go-on" and self.order_by is None:
            raise InvalidSubscription("there is no key to hold without order_by", where="policy.when_stuck")
        if self.dead_letter_access is not None and self.dead_letter is None:
            raise InvalidSubscription("there is no dead_letter to show it to", where="policy.dead_letter_access")

    @property
    def at_once(self) -> int:
        """Attempts in flight at once in one process."""
        return self.concurrency if self.max_in_flight is None else min(self.concurrency, self.max_in_flight)

    @property
    def http_only(self) -> list[str]:
        """The settings in use that only a sink over HTTP can heed."""
        names = ("credential", "certificate", "signing", "handshake", "reply")
        return [name for name in names if getattr(self, name) is not None]

    @classmethod
    def from_dict(
        cls,
        config: Mapping[str, Any],
        settings: Mapping[str, Any] | None = None,
        credential: Mapping[str, Any] | None = None,
    ) -> DeliveryPolicy:
        """Read a policy from the `config`, `protocolsettings` and `sinkcredential` of the Subscriptions API's JSON."""
        settings = {} if settings is None else settings
        values = only(config, _CONFIG_KEYS, "config") | only(settings, _SETTING_KEYS, "protocolsettings")
        if credential is not None:
            values["credential"] = credential_from_dict(credential)
        try:
            for name, read in _READERS.items():
                if name in values:
                    values[name] = read(values[name], _place(name))
            return cls(**values)
        except InvalidSubscription as error:
            raise InvalidSubscription(error.reason, where=_place(error.where)) from None

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any] | None]:
        """`config`, `protocolsettings` and `sinkcredential` (or None), with only what differs from the defaults.

        Raises InvalidSubscription where a secret is in clear: only references are written.
        """
        changed = {
            attribute.name: getattr(self, attribute.name)
            for attribute in attrs.fields(DeliveryPolicy)
            if getattr(self, attribute.name) != getattr(_DEFAULT, attribute.name)
        }
        credential = changed.pop("credential", None)
        written = {name: _plain(value) for name, value in changed.items()}
        settings = {name: written.pop(name) for name in sorted(_SETTING_KEYS & written.keys())}
        return written, settings, None if credential is None else credential_to_dict(credential)


_SETTING_KEYS = frozenset({"method", "headers", "certificate", "signing", "handshake"})
_CONFIG_KEYS = frozenset(one.name for one in attrs.fields(DeliveryPolicy)) - _SETTING_KEYS - {"credential"}
_BACKOFF_KEYS = frozenset(attribute.name for attribute in attrs.fields(Backoff))
_BREAKER_KEYS = frozenset(attribute.name for attribute in attrs.fields(Breaker))
_DEFAULT = DeliveryPolicy()


def _place(where: str) -> str:
    """Where a setting stands in the JSON form, from the name it has in Python."""
    name = where.removeprefix("policy.")
    if name.startswith(("config", "protocolsettings", "sinkcredential")):
        return name
    return f"{'protocolsettings' if name.partition('.')[0] in _SETTING_KEYS else 'config'}.{name}"


def _plain(value: Any) -> Any:
    """A setting as JSON values; `false` for a breaker that is off, since TOML has no null."""
    if isinstance(value, OutcomeTable):
        return dict(value.rules)
    if isinstance(value, ClientCertificate | DeadLetterAccess | Signing):
        return value.to_dict()
    if attrs.has(type(value)):
        return attrs.asdict(value, filter=lambda attribute, one: one != attribute.default)
    if isinstance(value, Mapping):
        return dict(value)
    return False if value is None else value


def _backoff(value: object, where: str) -> Backoff:
    known = only(value, _BACKOFF_KEYS, where)
    for name, seconds in known.items():
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise InvalidSubscription(f"{seconds!r} is not a number of seconds", where=f"{where}.{name}")
    return plain(Backoff, value, where)


def _rules(value: object, where: str) -> OutcomeTable:
    return DEFAULT_OUTCOMES.changed(mapping(value, where))


def _breaker(value: object, where: str) -> Breaker | None:
    if value is False or value is None:
        return None
    known = only(value, _BREAKER_KEYS, where)
    if "delay" in known:
        known["delay"] = _backoff(known["delay"], f"{where}.delay")
    return Breaker(**known)


def _read_as(kind: type[object]) -> Callable[[object, str], object]:
    return lambda value, where: plain(kind, value, where)


_READERS: dict[str, Callable[[object, str], object]] = {
    "backoff": _backoff,
    "breaker": _breaker,
    "outcomes": _rules,
    "headers": mapping,
    "batch": _read_as(Batch),
    "rate": _read_as(Rate),
    "reply": _read_as(Reply),
    "certificate": _read_as(ClientCertificate),
    "handshake": _read_as(Handshake),
    "signing": Signing.from_dict,
    "dead_letter_access": DeadLetterAccess.from_dict,
}
"""How the settings are read that are objects in JSON; of the others the JSON value is the value."""
