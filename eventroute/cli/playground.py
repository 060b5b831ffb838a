"""`eventroute playground`: rules tried in the browser."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from functools import partial

import anyio
import click

from eventroute.cli.target import json_option
from eventroute.cli.terminal import announcing
from eventroute.serving.listening import bound_socket

__all__ = ["playground"]


@click.command(short_help="Try filters and transformers in the browser.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8090, show_default=True, type=click.IntRange(0, 65_535), help="0 is any free one.")
@click.option("--user", metavar="NAME", help="Ask for this user name, and the password.")
@click.option("--password", metavar="SECRET", help="Where the password is: env:NAME or file:PATH.")
@click.option("--open", "open_browser", is_flag=True, help="Open it in the browser.")
@json_option
def playground(
    host: str, port: int, user: str | None, password: str | None, *, open_browser: bool, as_json: bool
) -> None:
    """Try filters and transformers in the browser: does it match, why, and what would be delivered.

    Nothing is stored and nothing is sent. Ctrl-C ends it. On more than this machine it wants --user and --password.
    With --json it prints where it listens, once it does.
    """
    # They need extras, and are slow to import.
    from eventroute.web.playground import playground_app  # noqa: PLC0415
    from eventroute.web.serving import authorized, serve_page  # noqa: PLC0415

    app = playground_app(authorize=authorized(host, user, password))

    announce = announcing("the playground is at", as_json=as_json)

    def ready(url: str) -> None:
        announce(url)
        if open_browser:
            webbrowser.open(url)

    with bound_socket(host, port, "--host") as listener, suppress(KeyboardInterrupt):
        anyio.run(partial(serve_page, app, listener, ready, grace=5))
