"""`eventroute buses`: what there is, how large, what holds it, and how long it stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from attrs import frozen

from eventroute.buses import BusOptions
from eventroute.cli.tables import print_table
from eventroute.cli.target import json_option, on_router, storage_option
from eventroute.cli.terminal import answer, check_may_ask, confirm, print_json
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


def _bound(word: str, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """What reads a number, or the word for none."""

    def read(value: str) -> Any:
        if value == word:
            return _NO_BOUND
        try:
            return kind(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is neither a number nor {word!r}") from None

    return read


def _setting(name: str, word: str, kind: Callable[[str], Any], help: str) -> Callable[[F], F]:
    return click.option(name, type=_bound(word, kind), metavar=f"NUMBER|{word}", help=help)


_NO_BOUND: Final = object()
"""Given as the word for no bound, which is not the same as not given."""


def _settings(command: F) -> F:
    for option in (
        _setting("--max-bytes", "default", int, "Bytes of events at which it takes no more."),
        _setting("--dead-letter-limit", "any", int, "How many dead letters stay."),
        _setting("--dead-letter-age", "forever", float, "Seconds for which dead letters stay."),
        click.option("--dedup-limit", type=int, metavar="NUMBER", help="How many events duplicates are told of."),
        _setting("--dedup", "off", float, "Seconds for which duplicates are told."),
        click.option("--hard/--soft", default=None, help="Whether bounds go before what subscriptions still need."),
        click.option("--until-settled/--keep-settled", default=None, help="Whether what all have settled goes."),
        _setting("--keep-events", "any", int, "How many events stay."),
        _setting("--keep-bytes", "any", int, "How many bytes of events stay."),
        _setting("--max-age", "forever", float, "Seconds for which events stay."),
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


@frozen
class _Look:
    """A bus, and how many delayed events it has, counted a moment later."""

    info: BusInfo
    delayed: int

    @classmethod
    async def at(cls, router: Router, bus: str) -> _Look:
        return cls(await router.describe_bus(bus), await router.count_timers(bus))

    def to_dict(self) -> dict[str, Any]:
        return {**self.info.to_dict(), "delayed": self.delayed}

    def cells(self) -> tuple[object, ...]:
        info = self.info
        return info.name, info.events, info.size, self.delayed, info.subscriptions, info.held_by


@buses.command("list")
@storage_option
@json_option
def list_(storage: str, as_json: bool) -> None:
    """List the buses with their sizes."""

    async def describe(router: Router) -> list[_Look]:
        return [await _Look.at(router, bus) for bus in await router.buses()]

    found = on_router(storage, describe)
    if as_json:
        print_json([one.to_dict() for one in found])
        return
    print_table(
        ("bus", "events", "bytes", "delayed", "subscriptions", "held by"),
        [one.cells() for one in found],
        empty="no buses",
    )


@buses.command(short_help="Show all of one bus, as JSON.")
@click.argument("bus")
@storage_option
@json_option
def show(bus: str, storage: str, as_json: bool) -> None:
    """Show all of one bus, as JSON in any case: settings, size, what is delayed, what holds events, what was lost."""
    print_json(on_router(storage, lambda router: _Look.at(router, bus)).to_dict())


@buses.command()
@click.argument("bus")
@storage_option
@_settings
@json_option
def create(bus: str, storage: str, as_json: bool, **given: Any) -> None:
    """Make a bus, and the storage where there is none. One that exists is left as it is, which is told; where
    settings are given it must have the same.
    """
    options = _options(given, Retention())

    async def make(router: Router) -> tuple[_Look, bool]:
        existed = bus in await router.buses()
        await router.create_bus(bus, **options)
        return await _Look.at(router, bus), existed

    look, existed = on_router(storage, make, create=True)
    done = "there already, and left as it is" if existed else "created"
    answer({**look.to_dict(), "existed": existed}, f"{bus}: {done}", as_json=as_json)


@buses.command(short_help="Change settings of a bus.")
@click.argument("bus")
@storage_option
@_settings
@json_option
def update(bus: str, storage: str, as_json: bool, **given: Any) -> None:
    """Change those settings of a bus that are given; in force at once, in every process."""

    async def change(router: Router) -> _Look:
        retention = (await router.describe_bus(bus)).settings.retention
        await router.update_bus(bus, **_options(given, retention))
        return await _Look.at(router, bus)

    if all(value is None for value in given.values()):
        raise click.UsageError("say what to change")
    answer(on_router(storage, change).to_dict(), f"{bus}: updated", as_json=as_json)


@buses.command(short_help="Remove a bus with all that it holds, for good.")
@click.argument("bus")
@storage_option
@click.option("--subscriptions", is_flag=True, help="With the subscriptions that it has.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete(bus: str, storage: str, subscriptions: bool, yes: bool, as_json: bool) -> None:
    """Remove a bus with its events, also those that are delayed, what waits, and its dead letters, for good."""
    if not yes:
        check_may_ask(as_json=as_json)
        look = on_router(storage, lambda router: _Look.at(router, bus))
        held = f"{look.info.events} events, {look.delayed} delayed events, {look.info.dead_letters} dead letters"
        confirm(f"Remove {bus} with {held} and {look.info.subscriptions} subscriptions for good?")
    on_router(storage, lambda router: router.delete_bus(bus, subscriptions=subscriptions), doing=f"removing {bus}")
    answer({"deleted": bus}, f"{bus}: deleted", as_json=as_json)
