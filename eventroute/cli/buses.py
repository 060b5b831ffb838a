"""`eventroute buses`: what there is, how large, what holds it, and how long it stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from eventroute.buses import BusOptions
from eventroute.cli.target import json_option, on_router, storage_option
from eventroute.cli.terminal import as_json as json_text
from eventroute.cli.terminal import echo, print_table
from eventroute.router import Router
from eventroute.storage.base import BusInfo
from eventroute.storage.retention import Retention

__all__ = ["buses"]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES: Final = """\b
Examples:
  eventroute buses list --storage sqlite:///events.db
  eventroute buses create audit --max-age forever --dedup 600
  eventroute buses update audit --max-bytes 10000000000
"""


@click.group(epilog=_EXAMPLES)
def buses() -> None:
    """List, show, create, change and delete buses."""


class _Bound(click.ParamType[Any]):
    """A number, or the word for none."""

    def __init__(self, word: str, kind: Callable[[str], Any]) -> None:
        self.name = f"NUMBER|{word}"
        self._word = word
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == self._word:
            return _NO_BOUND
        try:
            return self._kind(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor {self._word!r}", param, ctx)


_NO_BOUND: Final = object()
"""Given as the word for no bound, which is not the same as not given."""


def _settings(command: F) -> F:
    for option in (
        click.option("--max-bytes", type=_Bound("default", int), help="Bytes of events at which it takes no more."),
        click.option("--dead-letter-limit", type=_Bound("any", int), help="How many dead letters stay."),
        click.option("--dead-letter-age", type=_Bound("forever", float), help="Seconds for which dead letters stay."),
        click.option("--dedup", type=_Bound("off", float), help="Seconds for which duplicates are told."),
        click.option("--hard/--soft", default=None, help="Whether bounds go before what subscriptions still need."),
        click.option("--until-settled/--keep-settled", default=None, help="Whether what all have settled goes."),
        click.option("--keep-events", type=_Bound("any", int), help="How many events stay."),
        click.option("--keep-bytes", type=_Bound("any", int), help="How many bytes of events stay."),
        click.option("--max-age", type=_Bound("forever", float), help="Seconds for which events stay."),
    ):
        command = option(command)
    return command


_RETENTION: Final = {
    "max_age": "max_age",
    "keep_bytes": "max_bytes",
    "keep_events": "max_events",
    "until_settled": "until_settled",
    "hard": "hard",
}


def _options(given: dict[str, Any], retention: Retention) -> BusOptions:
    """What was given, as settings; of the retention the rest stays as it is."""
    values = {name: None if value is _NO_BOUND else value for name, value in given.items() if value is not None}
    changed = {_RETENTION[name]: values.pop(name) for name in list(values) if name in _RETENTION}
    options: BusOptions = values  # type: ignore[assignment]
    if changed:
        options["retention"] = Retention(**{**retention.to_dict(), **changed})
    return options


@buses.command("list")
@storage_option
@json_option
def list_(storage: str, as_json: bool) -> None:
    """List the buses with their sizes."""

    async def describe(router: Router) -> list[BusInfo]:
        return [await router.describe_bus(bus) for bus in await router.buses()]

    found = on_router(storage, describe)
    if as_json:
        echo(json_text([info.to_dict() for info in found]))
        return
    print_table(
        ("bus", "events", "bytes", "subscriptions", "held by"),
        [(one.name, one.events, one.size, one.subscriptions, one.held_by) for one in found],
        empty="no buses",
    )


@buses.command()
@click.argument("bus")
@storage_option
def show(bus: str, storage: str) -> None:
    """Show all of one bus, as JSON: settings, size, what holds its events, what was lost."""
    echo(json_text(on_router(storage, lambda router: router.describe_bus(bus)).to_dict()))


@buses.command()
@click.argument("bus")
@storage_option
@_settings
def create(bus: str, storage: str, **given: Any) -> None:
    """Make a bus, and the file of the storage where there is none. One that exists must have the same settings."""
    options = _options(given, Retention())
    on_router(storage, lambda router: router.create_bus(bus, **options), create=True)
    echo(f"{bus}: created")


@buses.command()
@click.argument("bus")
@storage_option
@_settings
def update(bus: str, storage: str, **given: Any) -> None:
    """Change those settings of a bus that are given; in force at once, in every process."""

    async def change(router: Router) -> None:
        retention = (await router.describe_bus(bus)).settings.retention
        await router.update_bus(bus, **_options(given, retention))

    if all(value is None for value in given.values()):
        raise click.UsageError("say what to change")
    on_router(storage, change)
    echo(f"{bus}: updated")


@buses.command()
@click.argument("bus")
@storage_option
@click.option("--subscriptions", is_flag=True, help="With the subscriptions that it has.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(bus: str, storage: str, subscriptions: bool, yes: bool) -> None:
    """Remove a bus with its events, what waits, and its dead letters, for good."""
    if not yes:
        info = on_router(storage, lambda router: router.describe_bus(bus))
        click.confirm(
            f"Remove {bus} with {info.events} events and {info.subscriptions} subscriptions for good?", abort=True
        )
    on_router(storage, lambda router: router.delete_bus(bus, subscriptions=subscriptions))
    echo(f"{bus}: deleted")
