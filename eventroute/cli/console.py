"""`eventroute console`: the operator's page over any storage."""

from __future__ import annotations

from contextlib import suppress

import anyio
import click

from eventroute.cli.target import json_option, opened
from eventroute.cli.terminal import announcing
from eventroute.router import Router
from eventroute.serving.listening import bound_socket

__all__ = ["console"]


@click.command(short_help="Serve the operator's page over a storage.")
@click.argument("storage", envvar="EVENTROUTE_STORAGE")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8091, show_default=True, type=click.IntRange(0, 65_535), help="0 is any free one.")
@click.option("--user", metavar="NAME", help="Ask for this user name, and the password.")
@click.option("--password", metavar="SECRET", help="Where the password is: env:NAME or file:PATH.")
@json_option
def console(storage: str, host: str, port: int, user: str | None, password: str | None, as_json: bool) -> None:
    """Serve the operator's page over STORAGE (sqlite:///events.db, for instance): how each subscription fares, where
    events went, and what can be done about it.

    It pushes nothing itself, and works while brokers run on the storage. Ctrl-C ends it. On more than this machine it
    wants --user and --password. With --json it prints where it listens, once it does.
    """
    # They need extras, and are slow to import.
    from eventroute.web.operator.app import operator_app  # noqa: PLC0415
    from eventroute.web.serving import authorized, serve_page  # noqa: PLC0415

    authorize = authorized(host, user, password)
    ready = announcing("the page is at", as_json=as_json)
    there = opened(storage, where="STORAGE")

    async def main() -> None:
        async with Router(there, push=False) as router:
            app = operator_app(router, authorize=authorize)
            await serve_page(app, listener, ready, grace=1)  # pages that are live never end by themselves

    with bound_socket(host, port, "--host") as listener, suppress(KeyboardInterrupt):
        anyio.run(main)
