"""`eventroute subscriptions`: manage who gets what, in a storage or over a broker's API."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import click
import msgspec
from attrs import frozen

from eventroute.cli.files import name_of, read_file
from eventroute.cli.remote import RemoteSubscriptions
from eventroute.cli.target import bus_option, json_option, on_router
from eventroute.cli.terminal import as_json as json_text
from eventroute.cli.terminal import echo, print_table
from eventroute.documents import subscription_document
from eventroute.errors import InvalidSubscription, UnknownSubscription
from eventroute.jsontext import decode_json, encode_json
from eventroute.router import Router
from eventroute.storage.base import StoredSubscription
from eventroute.subscription import Subscription

__all__ = ["subscriptions"]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES: Final = """\b
Examples:
  eventroute subscriptions list --storage sqlite:///events.db
  eventroute subscriptions create orders --sink https://example.com/hook --filter "type STARTS WITH 'order.'"
  eventroute subscriptions create orders --file orders.toml --api http://127.0.0.1:8080/-/api --credential env:TOKEN
  eventroute subscriptions pause orders --reason "moving house"
"""


class _Place(Protocol):
    """Where the subscriptions of a bus are."""

    def list(self) -> list[dict[str, Any]]: ...

    def get(self, name: str) -> dict[str, Any]: ...

    def put(self, name: str, document: dict[str, Any]) -> dict[str, Any]: ...

    def delete(self, name: str) -> None: ...

    def pause(self, name: str, reason: str) -> None: ...

    def resume(self, name: str) -> None: ...


@frozen
class _Stored:
    """The subscriptions of one bus in a storage."""

    storage: str
    bus: str

    def list(self) -> list[dict[str, Any]]:
        found = on_router(self.storage, lambda router: router.subscriptions(self.bus))
        return sorted(map(subscription_document, found), key=lambda one: str(one["id"]))

    def get(self, name: str) -> dict[str, Any]:
        return subscription_document(on_router(self.storage, lambda router: self._one(router, name)))

    def put(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        subscription = Subscription.from_dict({**document, "id": name, "bus": self.bus})
        return subscription_document(on_router(self.storage, lambda router: router.subscribe(subscription)))

    def delete(self, name: str) -> None:
        async def delete(router: Router) -> None:
            await self._one(router, name)
            await router.unsubscribe(name)

        on_router(self.storage, delete)

    def pause(self, name: str, reason: str) -> None:
        async def pause(router: Router) -> None:
            await self._one(router, name)
            await router.pause(name, reason)

        on_router(self.storage, pause)

    def resume(self, name: str) -> None:
        async def resume(router: Router) -> None:
            await self._one(router, name)
            await router.resume(name)

        on_router(self.storage, resume)

    async def _one(self, router: Router, name: str) -> StoredSubscription:
        """One of this bus: a slip of the bus must not touch another's."""
        stored = await router.subscription(name)
        if stored.bus != self.bus:
            raise UnknownSubscription(name)
        return stored


def _place_options(command: F) -> F:
    """The options that say where the subscriptions are."""
    for option in (
        bus_option,
        click.option(
            "--credential",
            metavar="REFERENCE",
            envvar="EVENTROUTE_CREDENTIAL",
            help="For the API: env:NAME or file:PATH of a bearer token, or USER@env:NAME of a password.",
        ),
        click.option("--api", metavar="URL", envvar="EVENTROUTE_API", help="The Subscriptions API of a broker."),
        click.option("--storage", metavar="URL", envvar="EVENTROUTE_STORAGE", help="A storage on this machine."),
    ):
        command = option(command)
    return command


def _place(storage: str | None, api: str | None, credential: str | None, bus: str) -> _Place:
    if (storage is None) == (api is None):
        raise click.UsageError("give one of --storage and --api (or EVENTROUTE_STORAGE, EVENTROUTE_API)")
    return _Stored(storage, bus) if storage is not None else RemoteSubscriptions(api or "", bus, credential)


@click.group(epilog=_EXAMPLES)
def subscriptions() -> None:
    """Create, list, show, pause, resume and delete subscriptions, while the broker runs or while it does not."""


@subscriptions.command("list")
@_place_options
@json_option
def list_(storage: str | None, api: str | None, credential: str | None, bus: str, as_json: bool) -> None:
    """List the subscriptions of a bus."""
    found = _place(storage, api, credential, bus).list()
    if as_json:
        echo(_exact(found))
        return
    print_table(
        ("id", "sink", "state", "revision"),
        [(one["id"], one["sink"], _state(one["status"]), one["status"]["revision"]) for one in found],
        empty="no subscriptions",
    )


def _exact(value: Any) -> str:
    """As JSON, numbers digit for digit."""
    return json_text(msgspec.Raw(encode_json(value)))


def _state(status: dict[str, Any]) -> str:
    if "paused" in status:
        return f"paused: {status['paused']}"
    return "live" if status["reader"] == "live" else "catching up"


@subscriptions.command()
@click.argument("id")
@_place_options
def show(id: str, storage: str | None, api: str | None, credential: str | None, bus: str) -> None:
    """Show one subscription, as JSON."""
    echo(_exact(_place(storage, api, credential, bus).get(id)))


@subscriptions.command()
@click.argument("id")
@click.option("--file", type=click.Path(path_type=Path), help="A JSON or (*.toml) TOML document; - is standard input.")
@click.option("--sink", metavar="URL", help="Where events go.")
@click.option("--filter", "filters", multiple=True, metavar="JSON|EXPR", help="Of several, all must match.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type, or one of these.")
@click.option("--start", help="latest, earliest, an offset or an RFC 3339 time; counts when it is new.")
@_place_options
def create(
    id: str,
    file: Path | None,
    sink: str | None,
    filters: tuple[str, ...],
    types: tuple[str, ...],
    start: str | None,
    storage: str | None,
    api: str | None,
    credential: str | None,
    bus: str,
) -> None:
    """Create a subscription, or change the one that has this ID; it keeps its place.

    What options say goes before what the file says.
    """
    document = {} if file is None else _read(file)
    for name, value in (("sink", sink), ("types", list(types)), ("filters", [_filter(one) for one in filters])):
        if value:
            document[name] = value
    if start is not None:
        document["start"] = int(start) if start.isascii() and start.isdigit() else start
    made = _place(storage, api, credential, bus).put(id, document)
    echo(f"{id}: revision {made['status']['revision']}, {_state(made['status'])}")


def _filter(text: str) -> Any:
    """A filter as JSON where it is an object, else as an expression."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return decode_json(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise InvalidSubscription(f"it begins as JSON does, and is none: {error}", where="--filter") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        text = read_file(file).decode("utf-8")
        document = tomllib.loads(text) if file.suffix == ".toml" else decode_json(text.encode())
    except ValueError as error:
        raise InvalidSubscription(f"is no such document: {error}", where=name_of(file)) from None
    if not isinstance(document, dict):
        raise InvalidSubscription("must be one object", where=name_of(file))
    document.pop("status", None)  # what `show` printed may be given back
    return document


@subscriptions.command()
@click.argument("id")
@click.option("--reason", default="paused", show_default=True, help="Why; it is shown to whoever looks.")
@_place_options
def pause(id: str, reason: str, storage: str | None, api: str | None, credential: str | None, bus: str) -> None:
    """Make no more attempts for a subscription; it keeps its place."""
    _place(storage, api, credential, bus).pause(id, reason)
    echo(f"{id}: paused: {reason}")


@subscriptions.command()
@click.argument("id")
@_place_options
def resume(id: str, storage: str | None, api: str | None, credential: str | None, bus: str) -> None:
    """Go on with a paused subscription where it stands."""
    _place(storage, api, credential, bus).resume(id)
    echo(f"{id}: resumed")


@subscriptions.command()
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_place_options
def delete(id: str, yes: bool, storage: str | None, api: str | None, credential: str | None, bus: str) -> None:
    """Remove a subscription with all that waits for it; its dead letters stay."""
    place = _place(storage, api, credential, bus)
    if not yes:
        place.get(id)
        click.confirm(f"Remove {id} with all that waits for it?", abort=True)
    place.delete(id)
    echo(f"{id}: deleted")
