"""`eventroute serve` as a whole, over real connections."""

from __future__ import annotations

import json
import signal
import socket
import threading
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.crash.broker import PATIENCE, configure, event, post, publish, receiving, serve
from eventroute.gateway.github import signature_of
from eventroute.secrets import Secret

STAR_FILE = """\
[[subscriptions]]
id = "stars"
types = ["com.github.star.created"]
sink = "SINK"
[subscriptions.transformer.define]
star_count = "$.data.repository.stargazers_count"
repo = "$.data.repository.name"
sender = "$.data.sender.login"
[subscriptions.transformer]
template = '{"slackMsg":  "${sender} stars ${repo}: ${star_count}"}'
"""
MESSAGE = b'{"slackMsg":  "ann stars r: 7"}'


def test_a_webhook_comes_out_as_a_message(tmp_path: Path) -> None:
    with receiving() as receiver:
        bus = '[buses.default]\npublishers = [{ bearer = "env:TOKEN" }]\ngithub = "file:github.secret"'
        (tmp_path / "github.secret").write_text("s3cret\n")
        file = configure(tmp_path, receiver.url, first=bus, last=STAR_FILE.replace("SINK", receiver.url))
        repository = {"url": "https://api.github.com/repos/o/r", "name": "r", "stargazers_count": 7}
        body = json.dumps({"action": "created", "repository": repository, "sender": {"login": "ann"}}).encode()
        headers = {"X-GitHub-Event": "star", "X-GitHub-Delivery": "d-1", "Content-Type": "application/json"}
        with serve(file, environment={"TOKEN": "t0ken"}) as broker:
            assert post(broker.port, "/default/github", body, headers)[0] == 401
            assert publish(broker.port, "x") == 401
            signed = headers | {"X-Hub-Signature-256": signature_of(body, Secret("s3cret"))}
            assert post(broker.port, "/default/github", body, signed)[0] == 202
            receiver.wait_for(lambda: receiver.delivered["d-1"] == 2)
            assert broker.stop() == 0
        assert sorted(receiver.bodies) == sorted([body, MESSAGE])


def test_subscriptions_are_managed_while_it_runs(tmp_path: Path) -> None:
    """Made over HTTP, in force at once, and still there after a restart although the file does not have it."""
    with receiving() as receiver:
        bus = '[buses.default]\nopen = true\nmanagers = [{ bearer = "env:ROOT" }]'
        file = configure(tmp_path, receiver.url, first=bus, last='types = ["never"]')
        path = "/-/api/subscriptions"
        headers = {"Authorization": "Bearer r00t", "Content-Type": "application/json"}
        wanted = json.dumps({"sink": receiver.url}).encode()
        with serve(file, environment={"ROOT": "r00t"}) as broker:
            assert post(broker.port, path, wanted, {})[0] == 401
            status, answer = post(broker.port, path, wanted, headers)
            assert status == 201
            assert json.loads(answer)["sink"] == receiver.url
            assert publish(broker.port, "first") == 202
            receiver.wait_for(lambda: "first" in receiver.delivered)
            assert broker.stop() == 0
        with serve(file, environment={"ROOT": "r00t"}) as broker:
            assert publish(broker.port, "second") == 202
            receiver.wait_for(lambda: "second" in receiver.delivered)
            assert broker.stop() == 0


def test_a_stop_lets_what_is_in_flight_end(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        receiver.answers.clear()
        with serve(file) as broker:
            assert publish(broker.port, "slow") == 202
            receiver.wait_for(lambda: "slow" in receiver.asked)
            broker.process.send_signal(signal.SIGTERM)
            assert broker.process.stderr is not None
            assert broker.process.stderr.readline().startswith("stopping")
            receiver.answers.set()
            assert broker.wait() == 0
        with serve(file) as broker:
            assert publish(broker.port, "next") == 202
            receiver.wait_for(lambda: "next" in receiver.delivered)
            assert broker.stop() == 0
        assert dict(receiver.delivered) == {"slow": 1, "next": 1}


@pytest.mark.parametrize("second", [False, True])
def test_a_stop_goes_on_where_nobody_reads_of_it(tmp_path: Path, second: bool) -> None:
    """As in `eventroute serve ... | tee`: Ctrl-C ends both."""
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        receiver.answers.clear()
        with serve(file) as broker:
            assert publish(broker.port, "slow") == 202
            receiver.wait_for(lambda: "slow" in receiver.asked)
            assert broker.process.stderr is not None
            broker.process.stderr.close()
            broker.process.send_signal(signal.SIGINT)
            while not is_refused(broker.port):  # it can say to nobody that it stops
                threading.Event().wait(0.02)
            if second:
                broker.process.send_signal(signal.SIGINT)
            else:
                receiver.answers.set()
            assert broker.process.wait(PATIENCE) == second
        receiver.answers.set()
        with serve(file) as broker:
            receiver.wait_for(lambda: receiver.delivered["slow"] == 1 + second)
            assert broker.stop() == 0


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.skipif(find_spec("opentelemetry") is None, reason="needs opentelemetry")
def test_counted_it_does_the_same(tmp_path: Path) -> None:
    with receiving() as receiver:
        with serve(configure(tmp_path, receiver.url, first="telemetry = true")) as broker:
            assert publish(broker.port, "a") == 202
            receiver.wait_for(lambda: "a" in receiver.delivered)
            assert broker.stop() == 0
        assert dict(receiver.delivered) == {"a": 1}


@pytest.mark.skipif(find_spec("uvloop") is None, reason="needs uvloop")
def test_on_uvloop_it_does_the_same(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        with serve(file, "--uvloop") as broker:
            assert publish(broker.port, "a") == 202
            receiver.wait_for(lambda: "a" in receiver.delivered)
            assert broker.stop() == 0
        assert broker.said[-1] == "stopped"
        assert dict(receiver.delivered) == {"a": 1}


def test_a_stop_that_cuts_off_says_so_and_the_event_comes_again(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url, first="grace = 0.2")
        receiver.answers.clear()
        with serve(file) as broker:
            assert publish(broker.port, "slow") == 202
            receiver.wait_for(lambda: "slow" in receiver.asked)
            assert broker.stop() == 1
            assert broker.said[-1] == "stopped: deliveries in flight were cut off and may be repeated"
        receiver.answers.set()
        with serve(file) as broker:
            receiver.wait_for(lambda: receiver.delivered["slow"] == 2)
            assert broker.stop() == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_at_once(tmp_path: Path, second: signal.Signals) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        receiver.answers.clear()
        with serve(file) as broker:
            assert publish(broker.port, "slow") == 202
            receiver.wait_for(lambda: "slow" in receiver.asked)
            broker.process.send_signal(signal.SIGINT)
            assert broker.process.stderr is not None
            assert broker.process.stderr.readline().startswith("stopping")
            broker.process.send_signal(second)
            assert broker.wait() == 1
            assert broker.said[-1].startswith("stopped at once")
        receiver.answers.set()
        with serve(file) as broker:
            receiver.wait_for(lambda: "slow" in receiver.delivered)


def test_a_request_in_flight_is_answered_although_it_stops(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        with serve(file) as broker, socket.create_connection(("127.0.0.1", broker.port), PATIENCE) as connection:
            body = event("late")
            head = f"POST /default HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n"
            connection.sendall(f"{head}Content-Type: application/cloudevents+json\r\n\r\n".encode())
            assert connection.recv(1_000).startswith(b"HTTP/1.1 100")  # now it is being read
            broker.process.send_signal(signal.SIGTERM)
            assert broker.process.stderr is not None
            assert broker.process.stderr.readline().startswith("stopping")
            with pytest.raises(OSError, match="refused"):
                socket.create_connection(("127.0.0.1", broker.port), PATIENCE)
            connection.sendall(body)
            assert connection.recv(1_000).startswith(b"HTTP/1.1 202")
            assert broker.wait() == 0
        with serve(file) as broker:
            receiver.wait_for(lambda: "late" in receiver.delivered)


def exchange(port: int, *parts: bytes) -> bytes:
    """Send raw bytes; all that comes back until the other side closes, or has nothing to say for a while."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # it was refused before all of it was sent
        answer = b""
        try:
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionError:
            pass
        return answer


def request(*lines: str) -> bytes:
    return "\r\n".join(["POST /default HTTP/1.1", "Host: x", *lines, "", ""]).encode("latin-1")


MIB = b"x" * 1_048_576
JSON = "Content-Type: application/cloudevents+json"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([request(JSON, f"Content-Length: {100 * len(MIB)}"), *[MIB] * 100], 413),
        ([request(JSON, "Transfer-Encoding: chunked"), *[b"100000\r\n" + MIB + b"\r\n"] * 100, b"0\r\n\r\n"], 413),
        ([request(JSON, "Content-Length: 5"), b"\xff\xfe\x00\x01\x02"], 400),
        ([request(JSON, "Content-Length: five"), b"12345"], 400),
        ([request(JSON, "Transfer-Encoding: chunked"), b"zz\r\n"], 400),
        ([request("ce-id: \xff\xff", "Content-Length: 0")], 400),
        ([request(*[f"ce-a{n}: x" for n in range(200)], "Content-Length: 0")], 400),
        ([b"\x16\x03\x01\x02\x00\x01\x00"], 400),
        ([b"GET\r\n\r\n"], 400),
    ],
)  # fmt: skip
def test_garbage_on_the_wire_is_refused(tmp_path: Path, parts: list[bytes], status: int) -> None:
    with receiving() as receiver:
        with serve(configure(tmp_path, receiver.url)) as broker:
            answer = exchange(broker.port, *parts)
            assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
            assert publish(broker.port, "still-there") == 202
            receiver.wait_for(lambda: "still-there" in receiver.delivered)
            assert broker.stop() == 0
        assert receiver.asked == {"still-there"}


def test_a_body_that_is_cut_off_on_the_wire_is_not_stored(tmp_path: Path) -> None:
    with receiving() as receiver:
        with serve(configure(tmp_path, receiver.url)) as broker:
            for body in (event("cut"), event("cut")[:10]):
                exchange(broker.port, request(JSON, f"Content-Length: {len(body) + 1}"), body)
            assert publish(broker.port, "whole") == 202
            receiver.wait_for(lambda: "whole" in receiver.delivered)
            assert broker.stop() == 0
        assert receiver.asked == {"whole"}


def test_the_operators_page_beside_the_gateway(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('storage = "memory:"\n[gateway]\nport = 0\n[operator]\n')
    with serve(file) as broker:
        url = f"http://127.0.0.1:{broker.port}/-/operator/default/"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            assert b'href="/-/operator/default/' in answer.read()
        assert publish(broker.port, "x") == 202
        assert broker.stop() == 0


def test_the_operators_page_tells_of_the_attempts_that_the_broker_made(tmp_path: Path) -> None:
    with receiving() as receiver:
        file = configure(tmp_path, receiver.url)
        file.write_text(file.read_text() + "[operator]\n")
        with serve(file) as broker:
            assert publish(broker.port, "once-more-8") == 202
            receiver.wait_for(lambda: "once-more-8" in receiver.delivered)  # so the attempt before was told
            url = f"http://127.0.0.1:{broker.port}/-/operator/default/events/1"
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                page = answer.read().decode()
            assert broker.stop() == 0
    table = page.partition("Attempts that this process remembers")[2].partition("</table>")[0]
    assert "<td>retry</td>" in table
    assert "http-503" in table


def test_a_playground_beside_the_gateway(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('storage = "memory:"\n[gateway]\nport = 0\n[playground]\n')
    with serve(file) as broker:
        with urllib.request.urlopen(f"http://127.0.0.1:{broker.port}/-/playground/", timeout=PATIENCE) as answer:
            page = answer.read()
        assert b'action="/-/playground/"' in page
        assert publish(broker.port, "x") == 202
        assert broker.stop() == 0
