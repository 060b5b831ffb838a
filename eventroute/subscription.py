"""Subscription: who wants which events, in which shape, where, and how delivered."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from attrs import field, frozen

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.policy import DeliveryPolicy
from eventroute.timestamps import instant, parse_timestamp

__all__ = ["SinkFunction", "Subscription"]

SinkFunction = Callable[[Event], Awaitable[object]]
"""An in-process sink: returning means delivered; raise `Retry` or `Reject` to say otherwise."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_KEYS = (
    "id",
    "bus",
    "start",
    "source",
    "types",
    "filters",
    "transformer",
    "sink",
    "protocol",
    "config",
    "protocolsettings",
    "sinkcredential",
)


_POLICY_KEYS: Final = frozenset({"config", "protocolsettings", "sinkcredential"})
_DEFAULT_POLICY: Final = DeliveryPolicy()


MAX_OFFSET: Final = (1 << 63) - 1
"""The largest offset that there can be in any storage."""


def check_name(name: object, where: str) -> str:
    """A name of a bus or a subscription: it stands in URLs, so letters, digits and `. _ ~ -`, 1 to 128 characters."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidSubscription(
            f"{name!r} is not a name: 1 to 128 of A-Z a-z 0-9 . _ ~ -, beginning with a letter or digit",
            where=where,
        )
    return name


def _check_named(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    check_name(value, attribute.name)


def check_place(place: object, where: str) -> None:
    """A place in a log: `latest`, `earliest`, an offset, or a time. Raises InvalidSubscription."""
    if isinstance(place, datetime):
        if place.tzinfo is None:
            raise InvalidSubscription("a time needs its time zone, for example datetime.now(UTC)", where=where)
    elif isinstance(place, bool) or not (
        place in ("latest", "earliest") or (isinstance(place, int) and 0 <= place <= MAX_OFFSET)
    ):
        raise InvalidSubscription(
            f"{place!r} is none of 'latest', 'earliest', an offset (0 or more, below 2**63), a datetime", where=where
        )


def read_place(place: Any, where: str) -> str | int | datetime:
    """A place in a log as JSON has it, a time as its text. Raises InvalidSubscription."""
    if isinstance(place, str) and place not in ("latest", "earliest"):
        try:
            return parse_timestamp(place)
        except ValueError:
            raise InvalidSubscription(
                f"{place!r} is none of 'latest', 'earliest', an offset, an RFC 3339 time", where=where
            ) from None
    check_place(place, where)
    known: str | int = place
    return known


def read_part(document: Mapping[str, Any]) -> tuple[str | int | datetime, int | datetime | None]:
    """The part of a log to replay, as JSON has it: `start`, `earliest` unless it is given, and `end`, which is not
    included, or None. Raises InvalidSubscription.
    """
    for key in document:
        if key not in ("start", "end"):
            raise InvalidSubscription("there is no such key; known: start, end", where=str(key))
    start, end = read_place(document.get("start", "earliest"), "start"), document.get("end")
    if start == "latest":
        raise InvalidSubscription("a replay starts at 'earliest', an offset or a time", where="start")
    until = None if end is None else read_place(end, "end")
    if isinstance(until, str):
        raise InvalidSubscription("a replay ends before an offset or a time", where="end")
    return start, until


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # UTC has no year for it
        return instant(moment.timestamp())


def _check_start(_instance: object, attribute: attrs.Attribute[Any], start: object) -> None:
    check_place(start, attribute.name)


def _check_text(_instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidSubscription(f"{value!r} is not a non-empty text", where=attribute.name)


def _check_types(_instance: object, _attribute: object, types: Sequence[object]) -> None:
    for place, name in enumerate(types):
        if not isinstance(name, str) or not name:
            raise InvalidSubscription(f"{name!r} is not a non-empty text", where=f"types[{place}]")


def _check_filters(_instance: object, _attribute: object, filters: Sequence[object]) -> None:
    for place, spec in enumerate(filters):
        if not isinstance(spec, dict | str | Mapping):
            raise InvalidSubscription(f"{spec!r} is neither an object nor an expression", where=f"filters[{place}]")


def _check_transformer(_instance: object, _attribute: object, spec: Any) -> None:
    if spec is not None and not isinstance(spec, Mapping):
        raise InvalidSubscription(f"{spec!r} is not an object", where="transformer")


def _check_sink(_instance: object, _attribute: object, sink: Any) -> None:
    if isinstance(sink, str):
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.|pull:$", sink):
            raise InvalidSubscription(f"{sink!r} is not a URL such as https://example.com/hook", where="sink")
    elif not callable(sink):
        raise InvalidSubscription(f"{sink!r} is neither a URL nor an async function", where="sink")


def _check_policy(_instance: object, _attribute: object, policy: object) -> None:
    if not isinstance(policy, DeliveryPolicy):
        raise InvalidSubscription(f"{policy!r} is not a DeliveryPolicy", where="policy")


def _types(value: object) -> tuple[str, ...]:
    return _listed(value, "types")


def _filters(value: object) -> tuple[Mapping[str, Any] | str, ...]:
    return _listed(value, "filters")


def _listed(value: object, where: str) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise InvalidSubscription(f"{value!r} is not a list", where=where)
    return tuple(value)


@frozen(kw_only=True)
class Subscription:
    """One subscription, checked in its own form when made; the router reads filters and transformer when it subscribes.

    `to_dict` and `from_dict` speak the JSON of the CloudEvents Subscriptions API and, beyond it, `bus`, `start` and
    `transformer`. Raises InvalidSubscription naming the key.
    """

    id: str = field(validator=_check_named)
    """Unique in its storage. Subscribing again with the same id updates it and keeps its place."""

    sink: str | SinkFunction = field(validator=_check_sink)
    """Where events go: a URL, or an async function, which is stored as `callable:ID`."""

    bus: str = field(default="default", validator=_check_named)
    start: str | int | datetime = field(default="latest", validator=_check_start)
    """`latest`, `earliest`, an offset, or a time; counts at creation only."""

    source: str | None = field(default=None, validator=_check_text)
    """Only events whose source is this one."""

    types: tuple[str, ...] = field(default=(), converter=_types, validator=_check_types)
    """Only events of one of these types; empty: of any."""

    filters: tuple[Mapping[str, Any] | str, ...] = field(default=(), converter=_filters, validator=_check_filters)
    """Filters, all of which must match; empty: everything."""

    transformer: Mapping[str, Any] | None = field(default=None, validator=_check_transformer)
    policy: DeliveryPolicy = field(factory=DeliveryPolicy, validator=_check_policy)

    @property
    def address(self) -> str:
        """The sink as a URL; a function's is `callable:ID`, and who pulls is `pull:ID`."""
        if self.sink == "pull:":
            return f"pull:{self.id}"
        return self.sink if isinstance(self.sink, str) else f"callable:{self.id}"

    @property
    def rules(self) -> list[Mapping[str, Any] | str]:
        """`filters`, `source` and `types` as one list of filters, all of which must match.

        The filters come first, so that an error that names the place of one names it as it was written.
        """
        rules = list(self.filters)
        if self.source is not None:
            rules.append({"exact": {"source": self.source}})
        if len(self.types) == 1:
            rules.append({"exact": {"type": self.types[0]}})
        elif self.types:
            rules.append({"any": [{"exact": {"type": name}} for name in self.types]})
        return rules

    def to_dict(self) -> dict[str, Any]:
        """The subscription as JSON values, without what has its default; never a secret, never a function.

        Raises InvalidSubscription where the policy has a secret in clear.
        """
        config, settings, credential = self.policy.to_dict()
        start = _in_utc(self.start).isoformat() if isinstance(self.start, datetime) else self.start
        values = {
            "id": self.id,
            "bus": self.bus,
            "start": None if start == "latest" else start,
            "source": self.source,
            "types": list(self.types),
            "filters": [dict(spec) if isinstance(spec, Mapping) else spec for spec in self.filters],
            "transformer": None if self.transformer is None else dict(self.transformer),
            "sink": self.address,
            "protocol": "HTTP" if self.address.startswith(("http:", "https:")) else None,
            "config": config,
            "protocolsettings": settings,
            "sinkcredential": credential,
        }
        return {key: value for key, value in values.items() if value is not None and value not in ([], {})}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Subscription:
        """Read a subscription from JSON values. An unknown key is refused, never ignored."""
        for key in document:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_KEYS)}"
                raise InvalidSubscription(f"there is no such key; {hint}", where=str(key))
        for key in ("id", "sink"):
            if key not in document:
                raise InvalidSubscription("is missing", where=key)
        if not isinstance(document["sink"], str):
            raise InvalidSubscription(f"{document['sink']!r} is not a URL", where="sink")
        protocol = document.get("protocol")
        if protocol is not None and (protocol != "HTTP" or not document["sink"].startswith(("http:", "https:"))):
            raise InvalidSubscription(
                f"{protocol!r}: only 'HTTP' may be named, with an http or https sink",
                where="protocol",
            )
        plain = {key: document[key] for key in _KEYS[:8] if document.get(key) is not None}
        if "start" in plain:
            plain["start"] = read_place(plain["start"], "start")
        policy = _DEFAULT_POLICY
        if not _POLICY_KEYS.isdisjoint(document):
            policy = DeliveryPolicy.from_dict(
                document.get("config", {}), document.get("protocolsettings", {}), document.get("sinkcredential")
            )
        return cls(policy=policy, **plain)
