from __future__ import annotations

import json
import signal
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result

from eventroute.cli.commands import commands
from eventroute.event import Event
from eventroute.router import Router
from eventroute.storage.open import open_storage
from eventroute.testing.storage.log import put


def invoke(*arguments: str, stdin: str | bytes | None = None, code: int = 0) -> str:
    result: Result = CliRunner().invoke(commands, ["events", *arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a traceback"
    assert result.exit_code == code, result.output
    return result.output


def event(name: str, type: str = "order.made") -> Event:
    return Event.create(id=name, type=type, source="/shop", data={"n": 2**70})


@pytest.fixture(autouse=True)
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/events.db"
    monkeypatch.setenv("EVENTROUTE_STORAGE", url)
    lines = b"\n".join(event(str(n), "order.paid" if n % 2 else "order.made").to_json() for n in range(1, 6))
    assert invoke("put", "-", "--create", stdin=lines) == "published: 5\n"
    return url


def test_listing() -> None:
    lines = invoke("list").splitlines()
    assert lines[0].split() == ["offset", "appended", "type", "source", "subject", "id", "size"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3", "4", "5"]
    paid = json.loads(invoke("list", "--json", "--filter", "type = 'order.paid'", "--start", "2", "--limit", "1"))
    assert [(one["offset"], one["event"]["id"], one["event"]["data"]["n"]) for one in paid] == [(3, "3", 2**70)]
    assert invoke("list", "--start", "2999-01-01T00:00:00Z") == "no events\n"
    assert len(invoke("list", "--start", "2000-01-01T00:00:00Z").splitlines()) == 6


def test_listing_goes_on_behind_what_is_no_event(storage: str) -> None:
    async def spoil() -> None:
        async with open_storage(storage) as opened:
            await put(opened, b"nonsense", event("7").to_json())

    anyio.run(spoil)
    command = ["events", "list", "--json", "--start", "5"]
    result = CliRunner().invoke(commands, command)
    assert "the event 6 of the bus 'default' is damaged: it is no CloudEvent" in result.stderr
    found = json.loads(result.stdout)
    assert [one["offset"] for one in found] == [5, 6, 7]
    assert found[1] == {"offset": 6, "appended": None, "event": None}
    rows = CliRunner().invoke(commands, ["events", "list", "--start", "6"]).stdout.splitlines()
    assert rows[1].split() == ["6", "(not", "an", "event)", "0"]
    chosen = CliRunner().invoke(commands, [*command, "--filter", "type = 'order.made'"])
    assert [one["offset"] for one in json.loads(chosen.stdout)] == [7]
    assert "the event 6" in chosen.stderr


def test_showing() -> None:
    assert json.loads(invoke("show", "2"))["event"]["id"] == "2"
    assert invoke("show", "6", code=1) == "there is no event at offset 6\n"


@pytest.mark.parametrize("as_array", [True, False])
def test_what_is_put_comes_back(tmp_path: Path, as_array: bool) -> None:
    texts = [event(name).to_json() for name in ("a", "b")]
    (tmp_path / "f").write_bytes(b"[" + b",".join(texts) + b"]" if as_array else b"\n\n".join(texts) + b"\n")
    assert invoke("put", str(tmp_path / "f")) == "published: 2\n"
    found = json.loads(invoke("list", "--json", "--start", "6"))
    assert [one["event"] for one in found] == [json.loads(text) for text in texts]


def test_one_event_over_several_lines_is_one() -> None:
    text = json.dumps(json.loads(event("pretty").to_json()), indent=2)
    assert invoke("put", "-", stdin=text) == "published: 1\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"specversion": "1.0"}', "standard input id: "),
        (b"[{}]", "standard input [0].specversion"),
        (b"[1", "begins as an array of events, and is none"),
        (event("1").to_json() + b"\nno JSON\n", "standard input line 2: "),
        (b"\xff", "standard input line 1: "),
    ],
)
def test_what_is_no_event_is_refused_whole(content: bytes, said: str) -> None:
    assert said in invoke("put", "-", stdin=content, code=2)
    assert len(invoke("list").splitlines()) == 6


def test_nothing_puts_nothing() -> None:
    assert invoke("put", "-", stdin=b"") == "published: 0\n"


def test_what_is_put_says_what_became_of_it() -> None:
    assert CliRunner().invoke(commands, ["buses", "update", "default", "--dedup", "600"]).exit_code == 0
    later = Event.create(id="later", type="t", source="/shop", extensions={"deliverafter": "2999-01-01T00:00:00Z"})
    lines = [one.to_json() for one in (event("a"), event("b"), event("a"), later)]
    assert invoke("put", "-", stdin=b"\n".join(lines)) == "published: 4 (2 appended, 1 delayed, 1 there already)\n"
    again = json.loads(invoke("put", "-", "--json", stdin=b"\n".join([*lines[:2], event("c").to_json()])))
    assert again == {"published": 3, "appended": 1, "delayed": 0, "duplicates": 2}
    assert invoke("put", "-", stdin=lines[3]) == "published: 1 (0 appended, 1 delayed)\n"
    assert len(json.loads(invoke("list", "--json", "--start", "6"))) == 3


def test_without_dedup_all_is_appended() -> None:
    document = json.loads(invoke("put", "-", "--json", stdin=b"\n".join([event("1").to_json()] * 3)))
    assert document == {"published": 3, "appended": 3, "delayed": 0, "duplicates": 0}


def test_who_fails_late_says_what_became_of_the_rest(tmp_path: Path) -> None:
    assert CliRunner().invoke(commands, ["buses", "update", "default", "--dedup", "600"]).exit_code == 0
    large = Event.create(id="large", type="t", source="/shop", data="x" * 2_000_000)
    (tmp_path / "f").write_bytes(b"\n".join(one.to_json() for one in [*[event("a")] * 1_000, large]))
    failed = CliRunner().invoke(commands, ["events", "put", str(tmp_path / "f"), "--quiet", "--json"])
    told = json.loads(failed.stderr)["error"]
    assert {name: told[name] for name in ("published", "appended", "delayed", "duplicates")} == {
        "published": 1_000,
        "appended": 1,
        "delayed": 0,
        "duplicates": 999,
    }


def test_a_large_file_goes_in_several_changes_and_says_how_far_it_came(tmp_path: Path) -> None:
    expired = b'{"specversion":"1.0","id":"x","source":"/s","type":"t","expirytime":"soon"}'
    (tmp_path / "f").write_bytes(b"\n".join([*(event(str(n)).to_json() for n in range(1_500)), expired]))
    said = invoke("put", str(tmp_path / "f"), code=2)
    assert "published before it failed: 1000 of 1501" in said
    assert "expirytime" in said


@pytest.mark.parametrize("within", [False, True])
def test_who_is_interrupted_hears_how_many_were_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    publish, calls = Router.publish, iter(range(9))

    async def interrupted(self: Router, *events: Event, bus: str) -> list[int | None]:
        if next(calls) == 1:
            if within:
                await publish(self, *events, bus=bus)
            signal.raise_signal(signal.SIGINT)
            await anyio.sleep_forever()
        return await publish(self, *events, bus=bus)

    monkeypatch.setattr(Router, "publish", interrupted)
    (tmp_path / "f").write_bytes(b"\n".join(event(str(n)).to_json() for n in range(1_500)))
    said = invoke("put", str(tmp_path / "f"), code=130)
    assert said.endswith("interrupted\npublished before it: 1000 of 1500, or 500 more\n")
    assert len(json.loads(invoke("list", "--json", "--limit", "9999"))) == (1_505 if within else 1_005)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "--start", "soon"], "is none of earliest, an offset, an RFC 3339 time"),
        (["list", "--bus", "nowhere"], "there is no bus 'nowhere'"),
        (["list", "--filter", "type ="], "--filter: "),
        (["put", "no-such-file"], "no-such-file: it cannot be read"),
        (["show", "1", "--storage", "sqlite:///nope.db"], "there is no file"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], said: str) -> None:
    assert said in invoke(*arguments, code=2)
