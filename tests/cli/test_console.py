from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from eventroute.cli.commands import commands
from eventroute.errors import InvalidConfiguration, Unauthorized
from eventroute.gateway.authorize import AccessRequest
from eventroute.web.serving import authorized


def test_it_serves_a_storage_until_it_is_told_to_stop(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/events.db"
    assert CliRunner().invoke(commands, ["events", "put", "-", "--create", "--storage", url], input="[]").exit_code == 0
    command = [sys.executable, "-m", "eventroute", "console", url, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found is not None
        with urllib.request.urlopen(found[0]) as answer:
            assert b"default" in answer.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sqlite:///nowhere.db"], "there is no file"),
        (["memory:", "--host", "0.0.0.0"], "--user and --password"),
        (["memory:", "--user", "me"], "go together"),
        (["memory:", "--user", "a:b", "--password", "env:PATH"], "no colon"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(commands, ["console", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(commands, ["console", "memory:", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "cannot listen" in result.output


def test_who_has_the_password_may_look_and_act(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSOLE_PASSWORD", "secret")
    hook = authorized("0.0.0.0", "me", "env:CONSOLE_PASSWORD")
    assert hook is not None
    right = {"authorization": "Basic bWU6c2VjcmV0"}
    hook(AccessRequest(bus="b", action="manage", method="POST", headers=right, client=None))
    for wrong in ({}, {"authorization": "Basic bWU6d3Jvbmc="}):
        with pytest.raises(Unauthorized):
            hook(AccessRequest(bus="b", action="look", method="GET", headers=wrong, client=None))
    assert authorized("127.0.0.1", None, None) is None
    with pytest.raises(InvalidConfiguration):
        authorized("192.0.2.1", None, None)
