"""How events are delivered to one subscription: one frozen value that travels whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.push.backoff import Backoff
from eventroute.push.breaker import Breaker
from eventroute.push.outcome import DEFAULT_OUTCOMES, OutcomeTable

__all__ = ["DeliveryPolicy"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_FORBIDDEN_HEADERS = frozenset(
    {"connection", "content-length", "content-type", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_METHODS = frozenset({"POST", "PUT", "PATCH"})


def _number(least: float, most: float) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if not right or not least <= value <= most:  # type: ignore[operator]
            raise InvalidSubscription(
                f"{value!r} is not a number from {least:g} to {most:g}", where=f"policy.{attribute.name}"
            )

    return check


def _count(least: int, most: int) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise InvalidSubscription(
                f"{value!r} is not a whole number from {least} to {most}", where=f"policy.{attribute.name}"
            )

    return check


def _one_of(choices: frozenset[str]) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in choices:
            raise InvalidSubscription(
                f"{value!r} is none of {', '.join(sorted(choices))}", where=f"policy.{attribute.name}"
            )

    return check


def _copy(headers: Mapping[str, str]) -> dict[str, str]:
    return dict(headers)


def _check_headers(_instance: object, _attribute: object, headers: Mapping[object, object]) -> None:
    for name, value in headers.items():
        where = f"policy.headers.{name}"
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise InvalidSubscription("is not a header name", where=where)
        if name.lower() in _FORBIDDEN_HEADERS or name.lower().startswith("ce-"):
            raise InvalidSubscription("this header is set by eventroute and cannot be given", where=where)
        if not isinstance(value, str) or not value.isprintable() or not value.isascii():
            raise InvalidSubscription("a header's value is printable ASCII text", where=where)


T = TypeVar("T")


def _instance_of(kind: type[T]) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise InvalidSubscription(f"{value!r} is not a {kind.__name__}", where=f"policy.{attribute.name}")

    return check


@frozen(kw_only=True)
class DeliveryPolicy:
    """How one subscription's events are delivered. Every value is checked when the policy is made.

    Durations are in seconds. Raises InvalidSubscription naming the setting.
    """

    mode: Literal["binary", "structured"] = field(
        default="binary", validator=_one_of(frozenset({"binary", "structured"}))
    )
    """The content mode of the CloudEvents HTTP binding (section 3)."""

    method: str = field(default="POST", validator=_one_of(_METHODS))
    """The HTTP method: POST, PUT or PATCH."""

    headers: Mapping[str, str] = field(factory=dict, converter=_copy, validator=_check_headers, repr=False)
    """Headers sent with every request. Not for secrets: they are stored and shown in clear."""

    timeout: float = field(default=30.0, validator=_number(0.001, 3_600))
    """How long one attempt may take (0.001 to 3,600); waiting for a slot does not count."""

    backoff: Backoff = field(factory=Backoff, validator=_instance_of(Backoff))
    """How long to wait between attempts."""

    max_attempts: int | None = field(default=None, validator=attrs.validators.optional(_count(1, 1_000_000)))
    """Attempts before the event is dead-lettered as `retries-exhausted`; None: as many as `max_age` allows."""

    max_age: float = field(default=86_400.0, validator=_number(0, 31_536_000))
    """Seconds from the event's first attempt after which it is not tried again (0 to one year)."""

    concurrency: int = field(default=16, validator=_count(1, 1_024))
    """Attempts in flight at once, a worker."""

    max_waiting: int = field(default=1_000, validator=_count(1, 100_000))
    """Deliveries of this subscription that wait in the ledger; at this bound it reads no further."""

    breaker: Breaker | None = field(factory=Breaker, validator=attrs.validators.optional(_instance_of(Breaker)))
    """When to stop trying while the sink is down, and when to probe it; None: never stop."""

    outcomes: OutcomeTable = field(default=DEFAULT_OUTCOMES, validator=_instance_of(OutcomeTable))
    """Which HTTP status means which outcome."""

    @classmethod
    def from_dict(cls, config: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> DeliveryPolicy:
        """Read a policy from the `config` and `protocolsettings` of the Subscriptions API's JSON."""
        settings = {} if settings is None else settings
        values = _only(config, _CONFIG_KEYS, "config") | _only(settings, _SETTING_KEYS, "protocolsettings")
        try:
            return cls._of(values)
        except InvalidSubscription as error:
            raise InvalidSubscription(error.reason, where=_place(error.where)) from None

    @classmethod
    def _of(cls, values: dict[str, Any]) -> DeliveryPolicy:
        if "backoff" in values:
            values["backoff"] = _backoff(values["backoff"], "config.backoff")
        if "breaker" in values:
            values["breaker"] = _breaker(values["breaker"])
        if "outcomes" in values:
            values["outcomes"] = DEFAULT_OUTCOMES.changed(_mapping(values["outcomes"], "config.outcomes"))
        if "headers" in values:
            values["headers"] = _mapping(values["headers"], "protocolsettings.headers")
        return cls(**values)

    def to_dict(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """`config` and `protocolsettings`, with only what differs from the defaults."""
        changed = {
            attribute.name: getattr(self, attribute.name)
            for attribute in attrs.fields(DeliveryPolicy)
            if getattr(self, attribute.name) != getattr(_DEFAULT, attribute.name)
        }
        plain = {name: _plain(value) for name, value in changed.items()}
        settings = {name: plain.pop(name) for name in sorted(_SETTING_KEYS & plain.keys())}
        return plain, settings


_SETTING_KEYS = frozenset({"method", "headers"})
_CONFIG_KEYS = frozenset(attribute.name for attribute in attrs.fields(DeliveryPolicy)) - _SETTING_KEYS
_BACKOFF_KEYS = frozenset(attribute.name for attribute in attrs.fields(Backoff))
_BREAKER_KEYS = frozenset(attribute.name for attribute in attrs.fields(Breaker))
_DEFAULT = DeliveryPolicy()


def _place(where: str) -> str:
    """Where a setting stands in the JSON form, from the name it has in Python."""
    name = where.removeprefix("policy.")
    if name.startswith(("config", "protocolsettings")):
        return name
    return f"{'protocolsettings' if name.partition('.')[0] in _SETTING_KEYS else 'config'}.{name}"


def _plain(value: Any) -> Any:
    """A setting as JSON values; `false` for a breaker that is off, since TOML has no null."""
    if isinstance(value, OutcomeTable):
        return dict(value.rules)
    if attrs.has(type(value)):
        return attrs.asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return False if value is None else value


def _backoff(value: object, where: str) -> Backoff:
    known = _only(value, _BACKOFF_KEYS, where)
    for name, seconds in known.items():
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise InvalidSubscription(f"{seconds!r} is not a number of seconds", where=f"{where}.{name}")
    try:
        return Backoff(**known)
    except InvalidSubscription as error:
        raise InvalidSubscription(error.reason, where=f"{where}.{error.where}") from None


def _breaker(value: object) -> Breaker | None:
    if value is False or value is None:
        return None
    known = _only(value, _BREAKER_KEYS, "config.breaker")
    if "delay" in known:
        known["delay"] = _backoff(known["delay"], "config.breaker.delay")
    return Breaker(**known)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidSubscription(f"{value!r} is not an object", where=where)
    return value


def _only(document: object, known: frozenset[str], where: str) -> dict[str, Any]:
    mapping = _mapping(document, where)
    for key in mapping:
        if key not in known:
            raise InvalidSubscription(
                f"there is no such setting; known: {', '.join(sorted(known))}", where=f"{where}.{key}"
            )
    return dict(mapping)
