"""`eventroute subscriptions`: manage who gets what, in a storage or over a broker's API."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Final, Protocol

import click
import msgspec
from attrs import frozen

from eventroute.cli.failure import NotFound
from eventroute.cli.files import name_of, read_file
from eventroute.cli.remote import RemoteSubscriptions
from eventroute.cli.tables import print_table
from eventroute.cli.target import bus_option, json_option, on_router
from eventroute.cli.terminal import answer, check_may_ask, confirm, echo, print_json
from eventroute.documents import replay_document, subscription_document
from eventroute.errors import InvalidSubscription, UnknownSubscription
from eventroute.jsontext import decode_json, encode_json
from eventroute.router import Router
from eventroute.storage.base import Reader, StoredSubscription
from eventroute.subscription import Subscription, read_part

__all__ = ["subscriptions"]

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

    def replay(self, name: str, part: dict[str, Any]) -> dict[str, Any]: ...

    def replays(self, name: str) -> Sequence[dict[str, Any]]: ...

    def cancel_replay(self, name: str, replay: str) -> dict[str, Any] | None: ...


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

    def replay(self, name: str, part: dict[str, Any]) -> dict[str, Any]:
        start, end = read_part(part)

        async def replay(router: Router) -> Reader:
            await self._one(router, name)
            return await router.replay(name, start=start, end=end)

        return replay_document(on_router(self.storage, replay))

    def replays(self, name: str) -> Sequence[dict[str, Any]]:
        return [replay_document(one) for one in on_router(self.storage, lambda router: self._replays(router, name))]

    def cancel_replay(self, name: str, replay: str) -> dict[str, Any] | None:
        async def cancel(router: Router) -> Reader | None:
            for one in await self._replays(router, name):
                if one.name == replay and await router.cancel_replay(one):
                    return one
            return None

        ended = on_router(self.storage, cancel)
        return None if ended is None else replay_document(ended)

    async def _replays(self, router: Router, name: str) -> Sequence[Reader]:
        await self._one(router, name)
        return await router.replays(name)

    async def _one(self, router: Router, name: str) -> StoredSubscription:
        """One of this bus: a slip of the bus must not touch another's."""
        stored = await router.subscription(name)
        if stored.bus != self.bus:
            raise UnknownSubscription(name)
        return stored


def _placed(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options that say where the subscriptions are; it is handed the place."""

    @wraps(command)
    def on_place(
        *arguments: Any, storage: str | None, api: str | None, credential: str | None, bus: str, **given: Any
    ) -> None:
        if (storage is None) == (api is None):
            raise click.UsageError("give one of --storage and --api (or EVENTROUTE_STORAGE, EVENTROUTE_API)")
        place = _Stored(storage, bus) if storage is not None else RemoteSubscriptions(api or "", bus, credential)
        command(*arguments, place=place, **given)

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
        on_place = option(on_place)
    return on_place


@click.group(epilog=_EXAMPLES, short_help="List, show, create, pause, resume, replay, delete subscriptions.")
def subscriptions() -> None:
    """Create, list, show, pause, resume, replay and delete subscriptions, while the broker runs or does not."""


@subscriptions.command("list")
@_placed
@json_option
def list_(place: _Place, as_json: bool) -> None:
    """List the subscriptions of a bus."""
    found = place.list()
    if as_json:
        print_json(_exact(found))
        return
    print_table(
        ("id", "sink", "state", "revision"),
        [(one["id"], one["sink"], _state(one["status"]), one["status"]["revision"]) for one in found],
        empty="no subscriptions",
    )


def _exact(value: Any) -> msgspec.Raw:
    """As JSON, numbers digit for digit."""
    return msgspec.Raw(encode_json(value))


def _state(status: dict[str, Any]) -> str:
    if "paused" in status:
        return f"paused: {status['paused']}"
    return "live" if status["reader"] == "live" else "catching up"


@subscriptions.command(short_help="Show one subscription, as JSON.")
@click.argument("id")
@_placed
@json_option
def show(id: str, place: _Place, as_json: bool) -> None:
    """Show one subscription, as JSON in any case; `create --file` takes it back."""
    print_json(_exact(place.get(id)))


@subscriptions.command(short_help="Create a subscription, or change it.")
@click.argument("id")
@click.option("--file", type=click.Path(path_type=Path), help="A JSON or (*.toml) TOML document; - is standard input.")
@click.option("--sink", metavar="URL", help="Where events go.")
@click.option("--filter", "filters", multiple=True, metavar="JSON|EXPR", help="Of several, all must match.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type, or one of these.")
@click.option(
    "--start", metavar="START", help="latest, earliest, an offset or an RFC 3339 time; counts when it is new."
)
@_placed
@json_option
def create(
    id: str,
    file: Path | None,
    sink: str | None,
    filters: tuple[str, ...],
    types: tuple[str, ...],
    start: str | None,
    place: _Place,
    as_json: bool,
) -> None:
    """Create a subscription, or change the one that has this ID; it keeps its place.

    What options say goes before what the file says.
    """
    document = {} if file is None else _read(file)
    for name, value in (("sink", sink), ("types", list(types)), ("filters", [_filter(one) for one in filters])):
        if value:
            document[name] = value
    if start is not None:
        document["start"] = _place(start)
    made = place.put(id, document)
    said = f"{id}: revision {made['status']['revision']}, {_state(made['status'])}"
    answer(_exact(made), said, as_json=as_json)


def _place(text: str) -> str | int:
    """A place in a log, as a document has it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text


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
@_placed
@json_option
def pause(id: str, reason: str, place: _Place, as_json: bool) -> None:
    """Make no more attempts for a subscription; it keeps its place."""
    place.pause(id, reason)
    _tell(id, f"paused: {reason}", place, as_json)


@subscriptions.command()
@click.argument("id")
@_placed
@json_option
def resume(id: str, place: _Place, as_json: bool) -> None:
    """Go on with a paused subscription where it stands."""
    place.resume(id)
    _tell(id, "resumed", place, as_json)


def _tell(id: str, what: str, place: _Place, as_json: bool) -> None:
    """What was done; for programs, the subscription as it is now."""
    if as_json:
        print_json(_exact(place.get(id)))
    else:
        echo(f"{id}: {what}")


@subscriptions.command(short_help="Deliver a part of the log again.")
@click.argument("id")
@click.option("--start", metavar="START", default="earliest", show_default=True, help="earliest, an offset or a time.")
@click.option(
    "--end", metavar="END", help="An offset or a time, not included.  [default: where the subscription stands]"
)
@_placed
@json_option
def replay(id: str, start: str, end: str | None, place: _Place, as_json: bool) -> None:
    """Deliver a part of the log to a subscription again, beside what is new, by its present filters.

    Its own place does not move. `replays` tells how far it is, `cancel-replay` ends it. A router on the storage does
    the work.
    """
    part = {"start": _place(start)} | ({} if end is None else {"end": _place(end)})
    begun = place.replay(id, part)
    said = f"{id}: replaying from offset {begun['start']} to before {begun['end']}, as {begun['name']}"
    answer(_exact(begun), said, as_json=as_json)


@subscriptions.command(short_help="List the replays that are under way.")
@click.argument("id")
@_placed
@json_option
def replays(id: str, place: _Place, as_json: bool) -> None:
    """List the replays of a subscription that are under way: where each began, how far it is, and before which offset
    it ends.
    """
    found = place.replays(id)
    if as_json:
        print_json(_exact(list(found)))
        return
    columns = ("name", "start", "position", "end")
    print_table(columns, [tuple(one[name] for name in columns) for one in found], empty="no replays")


@subscriptions.command(short_help="End a replay where it is.")
@click.argument("id")
@click.argument("name")
@_placed
@json_option
def cancel_replay(id: str, name: str, place: _Place, as_json: bool) -> None:
    """End the replay NAME of a subscription where it is; what is in hand is still delivered.

    Exit codes: 0 done, 1 there is none, or it has ended, 2 an error.
    """
    ended = place.cancel_replay(id, name)
    if ended is None:
        raise NotFound(f"{id}: there is no replay {name!r}, or it has ended")
    answer(_exact(ended), f"{id}: the replay ended before offset {ended['position']}", as_json=as_json)


@subscriptions.command(short_help="Remove a subscription; its dead letters stay.")
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_placed
@json_option
def delete(id: str, yes: bool, place: _Place, as_json: bool) -> None:
    """Remove a subscription with all that waits for it; its dead letters stay."""
    if not yes:
        check_may_ask(as_json=as_json)
        place.get(id)
        confirm(f"Remove {id} with all that waits for it?")
    place.delete(id)
    answer({"deleted": id}, f"{id}: deleted", as_json=as_json)
