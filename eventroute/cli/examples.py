"""Examples for the help of every command that does something, all in one voice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

__all__ = ["EXAMPLES", "illustrate"]

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "buses create": (
        "eventroute buses create audit --storage sqlite:///events.db",
        "eventroute buses create audit --max-age forever --dedup 600",
    ),
    "buses delete": ("eventroute buses delete audit", "eventroute buses delete audit --subscriptions --yes"),
    "buses list": ("eventroute buses list --storage sqlite:///events.db", "eventroute buses list --json"),
    "buses show": ("eventroute buses show default",),
    "buses update": ("eventroute buses update audit --max-bytes 10000000000", "eventroute buses update audit --hard"),
    "completion": (
        "eventroute completion bash > ~/.local/share/bash-completion/completions/eventroute",
        "eventroute completion zsh >> ~/.zshrc",
        "eventroute completion fish > ~/.config/fish/completions/eventroute.fish",
    ),
    "console": (
        "eventroute console sqlite:///events.db",
        "eventroute console postgresql:///broker --port 9000 --user admin --password env:CONSOLE_PASSWORD",
    ),
    "deadletters count": ("eventroute deadletters count --storage sqlite:///events.db",),
    "deadletters held": ("eventroute deadletters held orders",),
    "deadletters list": ("eventroute deadletters list --subscription orders --reason http-400 --json",),
    "deadletters purge": (
        "eventroute deadletters purge --subscription orders --until 2026-01-01T00:00:00Z",
        "eventroute deadletters purge --all --yes",
    ),
    "deadletters redrive": (
        "eventroute deadletters redrive --subscription orders --offset 17",
        "eventroute deadletters redrive --reason retries-exhausted --since 2026-01-01T00:00:00Z",
    ),
    "deadletters show": ("eventroute deadletters show orders 17",),
    "demo": ("eventroute demo", "eventroute demo --keep demo-files"),
    "events find": (
        "eventroute events find --type order.paid --since 2026-01-01T00:00:00Z",
        "eventroute events find --subject customer-17 --limit 10 --json",
    ),
    "events list": (
        "eventroute events list --filter \"type STARTS WITH 'order.'\" --limit 50",
        "eventroute events list --start 2026-01-01T00:00:00Z --json",
    ),
    "events put": (
        "eventroute events put events.jsonl --bus audit",
        "eventroute events put - --create --storage sqlite:///events.db < event.json",
    ),
    "events show": ("eventroute events show 17",),
    "events tail": (
        "eventroute events tail --follow",
        'eventroute events tail -n 100 --filter "data.total > 100" --json',
    ),
    "events trace": ("eventroute events trace 17", "eventroute events trace A-1 --source /shop --subscription billing"),
    "log backup": ("eventroute log backup events.db copy.db",),
    "log check": ("eventroute log check events.db", "eventroute log check events.db --json"),
    "log vacuum": ("eventroute log vacuum events.db",),
    "playground": ("eventroute playground --open", "eventroute playground --port 9000"),
    "serve": ("eventroute serve broker.toml", "eventroute serve --check broker.toml"),
    "subscriptions cancel-replay": ("eventroute subscriptions cancel-replay orders orders@7",),
    "subscriptions create": (
        "eventroute subscriptions create orders --sink https://example.com/hook --type order.paid",
        "eventroute subscriptions create orders --file orders.toml --start earliest",
    ),
    "subscriptions delete": ("eventroute subscriptions delete orders", "eventroute subscriptions delete orders --yes"),
    "subscriptions list": (
        "eventroute subscriptions list --storage sqlite:///events.db",
        "eventroute subscriptions list --api https://broker.example.com/-/api --credential env:TOKEN",
    ),
    "subscriptions pause": ('eventroute subscriptions pause orders --reason "moving house"',),
    "subscriptions replay": (
        "eventroute subscriptions replay orders --start 17 --end 40",
        "eventroute subscriptions replay orders --start 2026-01-01T00:00:00Z --api http://127.0.0.1:8080/-/api",
    ),
    "subscriptions replays": ("eventroute subscriptions replays orders",),
    "subscriptions resume": ("eventroute subscriptions resume orders",),
    "subscriptions show": ("eventroute subscriptions show orders > orders.json",),
}
"""By command, as it is typed; groups, and commands that are not here, have theirs beside them."""


def illustrate(command: click.Command, name: str) -> click.Command:
    """The command, and those below it, with their examples at the end of their help."""
    if name in EXAMPLES and not command.epilog:
        command.epilog = "\n".join(["\b", "Examples:", *(f"  {each}" for each in EXAMPLES[name])])
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            illustrate(inner, f"{name} {inner.name}")
    return command
