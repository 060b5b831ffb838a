"""`eventroute subscriptions`, over a storage and over the API alike."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result

from benchmarks.crash.broker import configure, serve
from eventroute.cli.commands import commands
from eventroute.router import Router
from eventroute.storage.open import open_storage

SINK = "https://example.com/hook"


def invoke(*arguments: str, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(commands, ["subscriptions", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    return result


Run = Callable[..., Result]


@pytest.fixture
def storage(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/events.db"

    async def make() -> None:
        async with Router(open_storage(url), push=False) as router:
            await router.create_bus("audit")

    anyio.run(make)
    return url


@contextmanager
def over_storage(storage: str, _folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    yield ["--storage", storage]


@contextmanager
def over_api(_storage: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setenv("ROOT", "r00t")
    buses = "\n".join(
        f'[buses.{bus}]\nopen = true\nmanagers = [{{ bearer = "env:ROOT" }}]' for bus in ("default", "audit")
    )
    file = configure(folder, SINK, first=buses, last='types = ["never"]')
    with serve(file, environment={"ROOT": "r00t"}) as broker:
        where = ["--api", f"http://127.0.0.1:{broker.port}/-/api/", "--credential", "env:ROOT"]
        invoke("delete", "all", "--yes", *where)
        yield where
        assert broker.stop() == 0


@pytest.mark.parametrize("way", [over_storage, over_api])
def test_the_life_of_a_subscription(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[..., object]
) -> None:
    with way(storage, tmp_path, monkeypatch) as where:  # type: ignore[attr-defined]

        def run(*arguments: str, code: int = 0, stdin: str | None = None) -> str:
            result = invoke(*arguments, *where, stdin=stdin)
            assert result.exit_code == code, result.output
            return result.output

        assert run("list") == "no subscriptions\n"
        made = run("create", "a", "--sink", SINK, "--filter", "data.n > 1", "--filter", '{"exact": {"type": "t"}}')
        assert made == "a: revision 1, live\n"
        shown = json.loads(run("show", "a"))
        assert shown["filters"] == ["data.n > 1", {"exact": {"type": "t"}}]
        assert shown["status"] == {"revision": 1, "reader": "live"}
        # What was shown may be given back, and options go before it.
        assert run("create", "a", "--file", "-", stdin=json.dumps(shown)) == "a: revision 1, live\n"
        changed = run("create", "a", "--file", "-", "--type", "x", "--type", "y", stdin=json.dumps(shown))
        assert changed == "a: revision 2, live\n"
        assert json.loads(run("show", "a"))["types"] == ["x", "y"]
        assert (
            run("pause", "a", "--reason", "moving\x1b[2J house")
            == "a: paused: moving\N{REPLACEMENT CHARACTER}[2J house\n"
        )
        assert "\x1b" not in run("list")
        assert run("resume", "a") == "a: resumed\n"
        assert run("create", "b", "--sink", SINK, "--start", "0") == "b: revision 1, catching up\n"
        listed = run("list").splitlines()
        assert listed[0].split() == ["id", "sink", "state", "revision"]
        assert [line.split()[0] for line in listed[1:]] == ["a", "b"]
        assert [one["id"] for one in json.loads(run("list", "--json"))] == ["a", "b"]
        for command in ("show", "replay", "replays", "pause", "resume", "delete"):
            more = ["--yes"] if command == "delete" else []
            assert "there is no subscription" in run(command, "a", "--bus", "audit", *more, code=2)
        assert "[y/N]" in run("delete", "a", code=1, stdin="n\n")
        assert run("delete", "a", stdin="y\n").endswith("a: deleted\n")
        assert "there is no subscription 'a'" in run("show", "a", code=2)
        refused = run("create", "c", "--sink", SINK, "--filter", "type = 'a' ANDD", code=2)
        assert "filters[0].expr line 1, column 12" in refused
        assert "^" in refused


@pytest.mark.parametrize("way", [over_storage, over_api])
def test_a_part_of_the_log_is_replayed(
    storage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: Callable[..., object]
) -> None:
    with way(storage, tmp_path, monkeypatch) as where:  # type: ignore[attr-defined]

        def run(*arguments: str, code: int = 0) -> str:
            result = invoke(*arguments, *where)
            assert result.exit_code == code, result.output
            return result.output

        run("create", "a", "--sink", SINK)
        run("pause", "a")  # so that nothing moves
        events = "\n".join(
            json.dumps({"specversion": "1.0", "id": str(n), "source": "/s", "type": "t"}) for n in range(5)
        )
        put = CliRunner().invoke(commands, ["events", "put", "-", "--storage", storage], input=events)
        assert put.exit_code == 0, put.output
        assert run("replays", "a") == "no replays\n"
        said = run("replay", "a", "--start", "2", "--end", "5")
        begun = {"name": said.split()[-1], "start": 2, "position": 2, "end": 5}
        assert said == f"a: replaying from offset 2 to before 5, as {begun['name']}\n"
        assert [line.split() for line in run("replays", "a").splitlines()] == [
            ["name", "start", "position", "end"],
            [begun["name"], "2", "2", "5"],
        ]
        assert json.loads(run("replays", "a", "--json")) == [begun]
        by_time = json.loads(run("replay", "a", "--start", "2020-01-01T00:00:00Z", "--end", "3", "--json"))
        assert (by_time["start"], by_time["end"]) == (1, 3)
        assert run("cancel-replay", "a", str(begun["name"])) == "a: the replay ended before offset 2\n"
        gone = run("cancel-replay", "a", str(begun["name"]), code=1)
        assert gone == f"a: there is no replay {begun['name']!r}, or it has ended\n"
        assert "start: 'soon' is none of" in run("replay", "a", "--start", "soon", code=2)
        assert "end: a replay ends before an offset or a time" in run("replay", "a", "--end", "earliest", code=2)


def test_a_document_may_be_toml(storage: str, tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(f'sink = "{SINK}"\nfilters = [{{ exact = {{ type = "t" }} }}]\n')
    assert invoke("create", "a", "--file", str(file), "--storage", storage).exit_code == 0
    assert json.loads(invoke("show", "a", "--storage", storage).output)["filters"] == [{"exact": {"type": "t"}}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "must be one object"),
        (b"{", "is no such document"),
        (b"\xff", "is no such document"),
        (b'{"colour": 1}', "colour: there is no such key"),
        (b"{}", "sink: is missing"),
    ],
)
def test_a_document_that_is_none_is_refused(storage: str, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "s.json").write_bytes(content)
    result = invoke("create", "a", "--file", str(tmp_path / "s.json"), "--storage", storage)
    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list"], "give one of --storage and --api"),
        (["list", "--storage", "memory:", "--api", "http://x"], "give one of --storage and --api"),
        (["list", "--storage", "sqlite:///no/such/file.db"], "there is no file"),
        (["list", "--storage", "nonsense"], "there is no storage"),
        (["list", "--api", "ftp://example.com"], "'ftp://example.com' is not an http or https URL"),
        (["list", "--api", "https://u:s3cret@h\N{ACCOUNT OF}/"], "what is given is not an http or https URL"),
        (["list", "--storage", "memory:", "--bus", "nowhere"], "there is no bus 'nowhere'"),
        (["create", "a", "--storage", "memory:", "--filter", "{"], "it begins as JSON does"),
        (["create", "a", "--storage", "memory:", "--file", "no-such-file"], "cannot be read"),
        (["create", "a b", "--storage", "memory:", "--sink", SINK], "is not a name"),
        (["list", "--api", "http://127.0.0.1:1", "--credential", "s3cret"], "a secret is given by reference"),
        (["list", "--api", "http://127.0.0.1:1"], "gives no answer"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], said: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "s3cret" not in result.output


@contextmanager
def answering(status: int, headers: dict[str, str], body: bytes) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("authorization", ""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    seen: list[str] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (500, {}, b"oops", "the answer was 500"),
        (400, {}, b'{"detail": "no", "where": "sink"}', "sink: no"),
        (404, {}, b"[]", "the answer was 404"),
        (200, {}, b"no json", "gives no answer"),
        (302, {"location": "http://127.0.0.1:1/elsewhere"}, b"", "the answer was 302"),
    ],
)
def test_an_api_that_is_none_is_told(status: int, headers: dict[str, str], body: bytes, said: str) -> None:
    with answering(status, headers, body) as url:
        result = invoke("show", "a", "--api", url)
    assert result.exit_code == 2
    assert said in result.output


def test_a_password_goes_as_basic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "pä:ss")
    from eventroute.cli.remote import RemoteSubscriptions  # noqa: PLC0415

    headers = RemoteSubscriptions("http://127.0.0.1:1", "default", "ann@env:PASSWORD")._headers()
    assert headers["authorization"] == "Basic YW5uOnDDpDpzcw=="
