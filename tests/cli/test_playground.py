"""`eventroute playground` as a process, and what it refuses."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from anyio.lowlevel import checkpoint
from click.testing import CliRunner

from benchmarks.crash.broker import PATIENCE
from eventroute.cli.commands import commands
from eventroute.errors import InvalidConfiguration, SecretNotFound, Unauthorized
from eventroute.gateway.authorize import AccessRequest
from eventroute.serving.listening import address_of
from eventroute.web import serving
from eventroute.web.serving import authorized


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port; whatever happens, it does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "eventroute", "playground", "--port", "0", *options],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            found = re.fullmatch(r"the playground is at http://127\.0\.0\.1:([0-9]+)\n", process.stderr.readline())
            assert found is not None, process.stderr.read()
            yield process, int(found[1])
        finally:
            process.kill()


def get(port: int, host: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_it_serves_until_it_is_stopped() -> None:
    with running() as (process, port):
        status, page = get(port, f"localhost:{port}")
        assert status == 200
        assert b"Playground" in page
        assert get(port, "evil.example")[0] == 403
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_the_browser_is_opened_once_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    async def serve_page(app: object, listener: socket.socket, ready: Callable[[str], None], *, grace: int) -> None:
        await checkpoint()
        ready(address_of(listener))

    monkeypatch.setattr(serving, "serve_page", serve_page)
    assert CliRunner().invoke(commands, ["playground", "--port", "0"]).exit_code == 0
    assert opened == []
    assert CliRunner().invoke(commands, ["playground", "--open", "--port", "0"]).exit_code == 0
    assert [re.sub("[0-9]+$", "N", url) for url in opened] == ["http://127.0.0.1:N"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_it_does_not_listen_beyond_this_machine_for_anybody(host: str) -> None:
    result = CliRunner().invoke(commands, ["playground", "--host", host])
    assert result.exit_code == 2
    assert "give --user and --password" in result.stderr


@pytest.mark.parametrize(("user", "password"), [("ann", None), (None, "env:PW"), ("", "env:PW"), ("a:b", "env:PW")])
def test_a_user_that_is_none_is_refused(user: str | None, password: str | None) -> None:
    with pytest.raises(InvalidConfiguration, match="user"):
        authorized("127.0.0.1", user, password)


def test_with_a_password_it_asks_for_it_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "s3cret")
    hook = authorized("0.0.0.0", "ann", "env:PW")
    assert hook is not None
    right = {"authorization": "Basic YW5uOnMzY3JldA=="}
    hook(AccessRequest(bus="", action="try", method="GET", headers=right, client=None))
    with pytest.raises(Unauthorized):
        hook(AccessRequest(bus="", action="try", method="GET", headers={}, client=None))
    with pytest.raises(SecretNotFound):
        authorized("127.0.0.1", "ann", "env:NO_SUCH_THING")


def test_a_port_that_is_taken_is_told() -> None:
    with running() as (_, port):
        result = CliRunner().invoke(commands, ["playground", "--port", str(port)])
    assert result.exit_code == 2
    assert "it cannot listen on" in result.stderr
