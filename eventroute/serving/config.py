"""The configuration file of `eventroute serve`: read whole, checked whole, and then a frozen value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import evolve, field, frozen

from eventroute.errors import (
    InvalidConfiguration,
    InvalidFilter,
    InvalidSubscription,
    InvalidTransformer,
    SecretNotFound,
)
from eventroute.event import Event
from eventroute.filters import Filter
from eventroute.gateway.authorize import Authorize, credentials
from eventroute.gateway.limits import RequestLimits
from eventroute.push.policy.addresses import AddressPolicy
from eventroute.push.sinks.bus import BusSinks
from eventroute.push.sinks.client import HttpSettings
from eventroute.push.sinks.http import HttpSinks
from eventroute.push.sinks.letters import check_letters
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.secrets import Secret, Secrets
from eventroute.serving.access import (
    CredentialReference,
    ServedPage,
    check_secret,
    is_loopback,
    page_authorize,
    read_credential,
    read_page,
)
from eventroute.serving.tomlfile import Document, Place, Table, place_of
from eventroute.storage.base import BusSettings
from eventroute.storage.open import open_storage
from eventroute.subscription import Subscription, check_name
from eventroute.transform import Transformer

__all__ = ["Access", "Configuration", "GatewaySettings", "ServedBus", "load"]


@frozen(kw_only=True)
class ServedBus:
    """One bus: what is set of it, and who may publish to it and manage it over HTTP.

    With `publishers` or `github` it is closed to all others; without `managers` nobody may manage it.
    """

    publishers: tuple[CredentialReference, ...] | None = None
    github: tuple[str, ...] = ()
    """References to the secret of its GitHub webhook; several while one is replaced by the next."""
    open: bool = False
    """Anybody may publish, wherever the gateway listens."""
    managers: tuple[CredentialReference, ...] = ()
    """Who may manage its subscriptions."""
    settings: BusSettings | None = None
    """How long it keeps events, and the like; None: the file leaves that as it is."""

    @property
    def closed(self) -> bool:
        """Whether publishing CloudEvents needs a credential."""
        return not self.open and (self.publishers is not None or bool(self.github))


@frozen(kw_only=True)
class GatewaySettings:
    """Where the gateway listens, and what it bounds."""

    host: str = "127.0.0.1"
    port: int = 8080
    limits: RequestLimits = field(factory=RequestLimits)
    max_connections: int = 1_000
    webhook_origins: tuple[str, ...] = ("*",)


@frozen
class Access:
    """Who may do what, with the secrets looked up."""

    authorize: Authorize
    github: Mapping[str, tuple[Secret, ...]]
    playground: Authorize | None = None
    operator: Authorize | None = None


@frozen(kw_only=True)
class Configuration:
    """What a file says, all of it checked; secrets are references still."""

    path: Path
    storage: str
    """The storage's address; a relative path in it was taken from the file's folder."""
    grace: float | None
    gateway: GatewaySettings
    buses: Mapping[str, ServedBus]
    subscriptions: tuple[Subscription, ...]
    http: HttpSettings
    telemetry: bool = False
    """Whether it counts and traces, by OpenTelemetry."""
    playground: ServedPage | None = None
    operator: ServedPage | None = None
    """Who may use the operator's page: look at everything, and change it."""

    @property
    def managed(self) -> frozenset[str]:
        """The buses whose subscriptions may be managed over HTTP."""
        return frozenset(name for name, bus in self.buses.items() if bus.managers)

    @property
    def summary(self) -> str:
        """What there is of each kind, in a few words."""
        return f"buses: {len(self.buses)}, subscriptions: {len(self.subscriptions)}"

    def access(self) -> Access:
        """Look up the secrets; a relative path is taken from the file's folder. Raises SecretNotFound."""
        secrets = Secrets(folder=self.path.parent)
        try:
            publishers = {
                name: [known.resolve(secrets) for known in bus.publishers or ()] for name, bus in self.buses.items()
            }
            managers = {name: [known.resolve(secrets) for known in bus.managers] for name, bus in self.buses.items()}
            github = {
                name: tuple(secrets.get(reference) for reference in bus.github)
                for name, bus in self.buses.items()
                if bus.github
            }
            pages = [
                None if page is None else page_authorize(page, secrets) for page in (self.playground, self.operator)
            ]
        except SecretNotFound as error:
            raise SecretNotFound(f"{self.path}: {error}") from error
        open_buses = [name for name, bus in self.buses.items() if not bus.closed]
        return Access(credentials(publishers, open_buses=open_buses, managers=managers), github, *pages)


def load(path: str | Path) -> Configuration:
    """Read a configuration file and check all of it, filters, transformers and sinks too; nothing is opened.

    Raises InvalidConfiguration naming file, line, key and what would be right.
    """
    document = Document.read(Path(path))
    with Table.top(document) as top:
        storage = _storage(top)
        grace = top.get("grace", float, -1.0)
        if "grace" in top.values and not 0 <= grace <= 3_600:
            raise top.error("grace", "must be from 0 to 3,600 seconds")
        buses = {name: _bus(name, table) for name, table in top.table("buses").each()} or {"default": ServedBus()}
        managed = any(bus.managers for bus in buses.values())
        http = _http(top.table("http"), Secrets(folder=document.path.parent, allowed=() if managed else None))
        gateway = _gateway(top.table("gateway"), buses)
        playground = read_page(top, "playground", gateway.host, may_be_open=True)
        operator = read_page(top, "operator", gateway.host, may_be_open=False)
        return Configuration(
            path=document.path,
            storage=storage,
            grace=grace if "grace" in top.values else None,
            gateway=gateway,
            buses=buses,
            subscriptions=_subscriptions(top.tables("subscriptions"), buses, http),
            http=http,
            telemetry=top.get("telemetry", bool, False),
            playground=playground,
            operator=operator,
        )


_SQLITE = "sqlite:///"


def _storage(top: Table) -> str:
    url = top.need("storage", str)
    try:
        open_storage(url)
    except InvalidConfiguration as error:
        raise top.error("storage", error.reason) from error
    path = url.removeprefix(_SQLITE)
    if path == url or path.startswith("/"):
        return url
    return f"{_SQLITE}{quote(str(top.document.path.resolve().parent))}/{path}"


def _http(table: Table, secrets: Secrets) -> HttpSettings:
    with table:
        addresses: dict[str, Any] = {
            "schemes": table.many("schemes", str),
            "hosts": table.many("hosts", str),
            "ports": table.many("ports", int),
            "networks": table.many("networks", str),
            "denied": table.many("denied", str),
        }
        settings: dict[str, Any] = {
            "connections": table.get("connections", int, 0),
            "idle_timeout": table.get("idle_timeout", float, 0.0),
            "answer_limit": table.get("answer_limit", int, 0),
        }
        try:
            policy = AddressPolicy(**_given(addresses, table))
            allowed = table.many("secrets", str)
            if "secrets" in table.values:
                secrets = evolve(secrets, allowed=allowed)
            return HttpSettings(addresses=policy, secrets=secrets, **_given(settings, table))
        except InvalidConfiguration as error:
            raise table.error(error.where.rpartition(".")[2], error.reason) from error


def _given(values: dict[str, Any], table: Table) -> dict[str, Any]:
    """Only what is in the file: the defaults are those of the library."""
    return {key: value for key, value in values.items() if key in table.values}


def _bus(name: str, table: Table) -> ServedBus:
    try:
        check_name(name, "")
    except InvalidSubscription as error:
        raise table.error("", error.reason) from error
    with table:
        publishers = tuple(read_credential(entry) for entry in table.tables("publishers"))
        github = tuple(table.many("github", str))
        for index, reference in enumerate(github):
            place: Place = ("github", index) if isinstance(table.values["github"], list) else ("github",)
            check_secret(table, place, reference)
        settings = ServedBus(
            publishers=publishers if "publishers" in table.values else None,
            github=github,
            open=table.get("open", bool, False),
            managers=tuple(read_credential(entry) for entry in table.tables("managers")),
            settings=_settings(table),
        )
        if settings.open and settings.publishers is not None:
            raise table.error("open", "the bus has publishers: take one of the two out")
        return settings


def _settings(table: Table) -> BusSettings | None:
    """What is set of a bus; `"forever"` as an age stands for what TOML cannot say."""
    given: dict[str, Any] = _given(
        {
            "dedup": table.get("dedup", float, 0.0),
            "dedup_limit": table.get("dedup_limit", int, 0),
            "max_bytes": table.get("max_bytes", int, 0),
            "dead_letter_age": _age(table, "dead_letter_age"),
            "dead_letter_limit": table.get("dead_letter_limit", int, 0),
        },
        table,
    )
    with table.table("retention") as retention:
        kept: dict[str, Any] = {
            "max_age": _age(retention, "max_age"),
            "max_bytes": retention.get("max_bytes", int, 0),
            "max_events": retention.get("max_events", int, 0),
            "until_settled": retention.get("until_settled", bool, False),
            "hard": retention.get("hard", bool, False),
        }
    if "retention" in table.values:
        given["retention"] = _given(kept, retention)
    try:
        return BusSettings.from_dict(given) if given else None
    except InvalidConfiguration as error:
        raise table.inner_error(place_of(error.where), error.reason) from error


def _age(table: Table, key: str) -> float | None:
    if table.values.get(key) == "forever":
        table.get(key, str, "")
        return None
    return table.get(key, float, 0.0)


def _gateway(table: Table, buses: Mapping[str, ServedBus]) -> GatewaySettings:
    with table:
        limits: dict[str, Any] = {
            "max_body": table.get("max_body", int, 0),
            "max_events": table.get("max_events", int, 0),
            "body_timeout": table.get("body_timeout", float, 0.0),
            "retry_after": table.get("retry_after", int, 0),
        }
        try:
            bounds = RequestLimits(**_given(limits, table))
        except InvalidConfiguration as error:
            raise table.error(error.where.rpartition(".")[2], error.reason) from error
        host, origins = table.get("host", str, "127.0.0.1"), table.many("webhook_origins", str)
        for name, bus in buses.items():
            if not (bus.closed or bus.open or is_loopback(host)):
                raise table.error(
                    "host",
                    f"{host!r} is not this machine alone, and anybody could publish to the bus {name!r}: give it "
                    f"publishers or github, or write `open = true` under [buses.{name}]",
                )
        return GatewaySettings(
            host=host,
            port=_bounded(table, "port", 8080, 0, 65_535),
            limits=bounds,
            max_connections=_bounded(table, "max_connections", 1_000, 1, 100_000),
            webhook_origins=tuple(origins) if "webhook_origins" in table.values else ("*",),
        )


def _bounded(table: Table, key: str, default: int, least: int, most: int) -> int:
    value = table.get(key, int, default)
    if not least <= value <= most:
        raise table.error(key, f"must be from {least:,} to {most:,}")
    return value


def _subscriptions(tables: list[Table], buses: Mapping[str, ServedBus], http: HttpSettings) -> tuple[Subscription, ...]:
    sinks = SinkRegistry((HttpSinks(settings=http), BusSinks(_nowhere)))
    found: dict[str, Subscription] = {}
    for table in tables:
        subscription = _subscription(table, sinks, buses)
        if subscription.id in found:
            raise table.error("id", f"there are two subscriptions {subscription.id!r}")
        if subscription.bus not in buses:
            raise table.error("bus", f"there is no bus {subscription.bus!r}: add [buses.{subscription.bus}]")
        found[subscription.id] = subscription
    return tuple(found.values())


async def _nowhere(_bus: str, _events: Sequence[Event], _append_id: str) -> None:
    """What is only checked sends nothing."""


def _subscription(table: Table, sinks: SinkRegistry, buses: Mapping[str, ServedBus]) -> Subscription:
    inside: Place = ()
    try:
        subscription = Subscription.from_dict(table.values)
        _check_sink(subscription, sinks, buses)
        Filter.parse(list(subscription.filters))
        inside = ("transformer",)
        if subscription.transformer is not None:
            Transformer.parse(subscription.transformer)
    except (InvalidSubscription, InvalidFilter, InvalidTransformer) as error:
        where, line, column = error.where.partition(" line ")
        place = (*inside, *place_of(where.strip("'")))
        raise table.inner_error(_written(table, place), f"{line}{column}: {error.reason}".lstrip(": ")) from error
    return subscription


def _check_sink(subscription: Subscription, sinks: SinkRegistry, buses: Mapping[str, ServedBus]) -> None:
    if not subscription.address.startswith(("http:", "https:", "bus:")):
        raise InvalidSubscription("must be an http or https URL, or bus:NAME", where="sink")
    sinks.check(subscription.address, subscription.policy)
    check_letters(subscription.bus, subscription.address, subscription.policy, sinks, buses.keys())


def _written(table: Table, place: Place) -> Place:
    """A policy's setting stands under `config`, `protocolsettings` or `sinkcredential`."""
    inner = place[1:] if place[:1] == ("policy",) else place
    if inner[:1] == ("credential",):
        return ("sinkcredential",)
    choices: list[Place] = [place, ("config", *inner), ("protocolsettings", *inner)]
    return next((choice for choice in choices if table.has(choice)), place)
