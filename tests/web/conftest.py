"""A browser, and the pages served to it on loopback.

`EVENTROUTE_TEST_BROWSER=1` says that there is one, and that the tests with it must run.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, expect, sync_playwright
from starlette.types import ASGIApp

WANTED = "EVENTROUTE_TEST_BROWSER"
PROGRAM = "chromium"
PICTURES = Path(__file__).parents[2] / "build" / "screenshots"
PATIENCE = 20_000
"""Milliseconds after which something that should show counts as missing; nothing comes near it."""

REPLACED = ("htmx:afterRequest", "htmx:sendAbort")
"""What htmx says of a request that a newer one took the place of. Where one fails, `htmx:sendError` is said as well."""

Opens = Callable[..., Page]


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an app while the block lasts; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One a module: while it is there an event loop is, and no test of a coroutine could have its own."""
    if os.environ.get(WANTED) != "1":
        pytest.skip(f"needs Chromium: install it, and say so by {WANTED}=1")
    expect.set_options(timeout=PATIENCE)
    program = shutil.which(PROGRAM)
    assert program is not None, f"{WANTED} is set, and there is no {PROGRAM}"
    with sync_playwright() as playwright:
        # In a container there is no sandbox, and its tests load nothing but our own pages.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opens]:
    """Opens pages, each as of its own visitor. What a browser complains of, Content-Security-Policy first, fails."""
    complaints: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REPLACED):
            complaints.append(message.text)

    def asked(dialog: Dialog) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    with ExitStack() as stack:

        def open_page(url: str, *, width: int = 1440, height: int = 900, scheme: Any = "light") -> Page:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            stack.callback(context.close)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.on("console", said)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", asked)
            page.goto(url)
            return page

        yield open_page
    assert complaints == []


def picture(page: Page, name: str) -> None:
    """A screenshot of the whole page, among what is built. `initial`: to hide the caret would need an inline style."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png", full_page=True, caret="initial")


def accessible(page: Page) -> None:
    """axe finds nothing to object to."""
    found = Axe().run(page).response["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []
