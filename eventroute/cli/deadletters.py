"""`eventroute deadletters`: what was given up, why, and to deliver it again or remove it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from eventroute.cli.failure import NotFound
from eventroute.cli.tables import print_table
from eventroute.cli.target import bus_option, json_option, on_router, storage_option, time_option
from eventroute.cli.terminal import answer, check_may_ask, confirm, print_json
from eventroute.timestamps import format_timestamp

if TYPE_CHECKING:
    from eventroute.deadletters import Which
    from eventroute.storage.base import DeadLetter, Forward

__all__ = ["deadletters"]

F = TypeVar("F", bound=Callable[..., Any])

_EXAMPLES: Final = """\b
Examples:
  eventroute deadletters count --storage sqlite:///events.db
  eventroute deadletters list --subscription orders --reason http-400
  eventroute deadletters redrive --reason retries-exhausted --since 2026-01-01T00:00:00Z
"""


@click.group(epilog=_EXAMPLES)
def deadletters() -> None:
    """List, show, redrive and purge what was given up."""


def _which(command: F) -> F:
    """The options that say which dead letters are meant."""
    for option in (
        time_option("--until", "Only what was given up before this time (RFC 3339)."),
        time_option("--since", "Only what was given up at this time or later (RFC 3339)."),
        click.option("--offset", type=int, help="Only the event at this offset."),
        click.option("--reason", help="Only with this reason."),
        click.option("--subscription", metavar="ID", help="Only of this subscription."),
    ):
        command = option(command)
    return command


def _given(which: dict[str, Any]) -> Which:
    chosen: Which = {name: value for name, value in which.items() if value is not None}  # type: ignore[assignment]
    return chosen


@deadletters.command("list")
@storage_option
@bus_option
@_which
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="How many at most.")
@json_option
def list_(storage: str, bus: str, limit: int, as_json: bool, **which: Any) -> None:
    """List dead letters in the order of subscription and offset."""
    letters = on_router(storage, lambda router: router.deadletters(bus, limit=limit, **_given(which)))
    if as_json:
        print_json([_document(letter) for letter in letters])
        return
    print_table(
        ("subscription", "offset", "time", "reason", "attempts", "error"),
        [(one.subscription, one.offset, _time(one), one.reason, one.attempts, one.error) for one in letters],
        empty="no dead letters",
    )


@deadletters.command()
@storage_option
@bus_option
@json_option
def count(storage: str, bus: str, as_json: bool) -> None:
    """Count dead letters by subscription and reason."""
    counts = on_router(storage, lambda router: router.count_deadletters(bus))
    rows = [(subscription, reason, counts[subscription, reason]) for subscription, reason in sorted(counts)]
    if as_json:
        names = ("subscription", "reason", "count")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    print_table(("subscription", "reason", "count"), rows, empty="no dead letters")


@deadletters.command(short_help="List the dead letters that hold their key.")
@click.argument("subscription")
@storage_option
@json_option
def held(subscription: str, storage: str, as_json: bool) -> None:
    """List the dead letters of a subscription that hold their key, until they are redriven or purged."""
    found = on_router(storage, lambda router: router.held_keys(subscription))
    if as_json:
        print_json([{**_document(one.letter), "behind": one.behind} for one in found])
        return
    print_table(
        ("offset", "time", "reason", "behind", "error"),
        [(one.letter.offset, _time(one.letter), one.letter.reason, one.behind, one.letter.error) for one in found],
        empty="no dead letter holds a key",
    )


@deadletters.command()
@click.argument("subscription")
@click.argument("offset", type=int)
@storage_option
@bus_option
@json_option
def show(subscription: str, offset: int, storage: str, bus: str, as_json: bool) -> None:
    """Show one dead letter with its event, as JSON in any case.

    Exit codes: 0 done, 1 there is none, 2 an error.
    """
    found = on_router(storage, lambda router: router.deadletters(bus, subscription=subscription, offset=offset))
    if not found:
        raise NotFound(f"there is no dead letter of {subscription!r} at offset {offset}")
    print_json({**_document(found[0]), "event": _event(found[0])})


@deadletters.command(short_help="Deliver dead letters again.")
@storage_option
@bus_option
@_which
@click.option("--all", "everything", is_flag=True, help="All of them: needed where nothing says which.")
@click.option("--removed", is_flag=True, help="Also those of removed subscriptions, to the ones of the same id now.")
@json_option
def redrive(storage: str, bus: str, everything: bool, removed: bool, as_json: bool, **which: Any) -> None:
    """Deliver dead letters again, by the router that serves the storage; their attempts count from none.

    Those of a subscription that was removed stay, also where there is another one of the same id now.
    """
    chosen = _chosen(which, everything)
    count = on_router(storage, lambda router: router.redrive(bus, removed=removed, **chosen), doing="redriving")
    answer({"redriven": count}, f"redriven: {count}", as_json=as_json)


@deadletters.command()
@storage_option
@bus_option
@_which
@click.option("--all", "everything", is_flag=True, help="All of them: needed where nothing says which.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def purge(storage: str, bus: str, everything: bool, yes: bool, as_json: bool, **which: Any) -> None:
    """Remove dead letters for good."""
    chosen = _chosen(which, everything)
    if not yes:
        check_may_ask(as_json=as_json)
        meant = on_router(storage, lambda router: router.deadletters(bus, limit=1_000_000, **chosen))
        confirm(f"Remove {len(meant)} dead letters for good?")
    count = on_router(storage, lambda router: router.purge(bus, **chosen), doing="purging")
    answer({"purged": count}, f"purged: {count}", as_json=as_json)


def _chosen(which: dict[str, Any], everything: bool) -> Which:
    chosen = _given(which)
    if bool(chosen) == everything:
        raise click.UsageError("say which ones (--subscription, --reason, --offset, --since, --until), or --all")
    return chosen


def _time(letter: DeadLetter) -> datetime:
    return datetime.fromtimestamp(letter.time, UTC)


def _document(letter: DeadLetter) -> dict[str, Any]:
    return {
        "subscription": letter.subscription,
        "offset": letter.offset,
        "time": format_timestamp(_time(letter)),
        "reason": letter.reason,
        "error": letter.error,
        "attempts": letter.attempts,
        "forward": None if letter.forward is None else _forward(letter.forward),
    }


def _forward(forward: Forward) -> dict[str, Any]:
    due = format_timestamp(datetime.fromtimestamp(forward.due, UTC))
    return {"due": due, "tries": forward.tries, "error": forward.error}


def _event(letter: DeadLetter) -> Any:
    """The event as JSON values; None where the log had lost it."""
    return msgspec.Raw(letter.event) if letter.event else None
