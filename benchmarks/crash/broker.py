"""`eventroute serve` in a process of its own, a receiver for what it pushes, and a sender of events."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO

from attrs import Factory, define, field

from eventroute.binding import STRUCTURED_TYPE

PATIENCE = 60.0
"""Seconds after which it is given up; nothing comes near it."""


@define
class Broker:
    """One run of `eventroute serve`."""

    process: subprocess.Popen[str]
    port: int = 0
    said: list[str] = Factory(list)

    def stop(self) -> int:
        """Ask it to stop, and wait for its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        self.said += self.errors.read().splitlines()
        return self.process.wait(PATIENCE)

    @property
    def errors(self) -> IO[str]:
        """What it writes to stderr."""
        if self.process.stderr is None:
            raise RuntimeError("its stderr goes elsewhere")
        return self.process.stderr

    def kill(self) -> None:
        self.process.kill()
        self.wait()


@contextmanager
def serve(file: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[Broker]:
    """Start it and wait until it listens; whatever happens, it does not outlive the block."""
    with subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "eventroute", "serve", *options, str(file)],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | (environment or {}),
    ) as process:
        try:
            broker = Broker(process)
            line = broker.errors.readline()
            broker.said.append(line.rstrip())
            found = re.fullmatch(r"eventroute listens on http://127\.0\.0\.1:([0-9]+)\n", line)
            if found is None:
                raise RuntimeError(f"it did not start: {line}{broker.errors.read()}")
            broker.port = int(found[1])
            yield broker
        finally:
            process.kill()


@define
class Receiver:
    """What plays the consumer, and counts.

    An event whose id ends in 9 gets a 400, one that ends in 8 a 503 at its first attempt, any other one a 204; nobody
    gets an answer while `answers` is not set.
    """

    delivered: Counter[str] = Factory(Counter)
    refused: Counter[str] = Factory(Counter)
    bodies: list[bytes] = Factory(list)
    asked: set[str] = Factory(set)
    answers: threading.Event = Factory(threading.Event)
    url: str = ""
    _changed: threading.Condition = Factory(threading.Condition)

    def take(self, name: str, body: bytes) -> int:
        with self._changed:
            known = name in self.asked
            self.asked.add(name)
            self.bodies.append(body)
            self._changed.notify_all()
        self.answers.wait(PATIENCE)
        if name.endswith("8") and not known:
            return 503
        with self._changed:
            bad = name.endswith("9")
            (self.refused if bad else self.delivered)[name] += 1
            self._changed.notify_all()
        return 400 if bad else 204

    def wait_for(self, reached: Callable[[], bool]) -> None:
        with self._changed:
            if not self._changed.wait_for(reached, PATIENCE):
                raise TimeoutError("it was not reached in time")

    def wait_until_all_came(self, events: set[str]) -> None:
        self.wait_for(lambda: events <= self.delivered.keys() | self.refused.keys())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that a killed broker has left."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.answers.set()

    class Consumer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take(self.headers["ce-id"], body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Consumer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield receiver
        finally:
            receiver.answers.set()
            server.shutdown()
            thread.join()


@define
class Sender:
    """Sends events, from several threads, until the broker is gone; remembers which ones it answered 202."""

    accepted: set[str] = Factory(set)
    strange: list[str] = Factory(list)
    """Answers that should not be: neither 202, nor a connection that is gone, nor 503."""
    _sent: int = field(default=0, init=False)
    _changed: threading.Condition = Factory(threading.Condition)

    def _next(self) -> str:
        with self._changed:
            self._sent += 1
            return f"event-{self._sent}"

    def _note(self, name: str, status: int, body: bytes) -> None:
        with self._changed:
            if status == 202:
                self.accepted.add(name)
            elif status != 503:
                self.strange.append(f"{name}: {status} {body!r}")
            self._changed.notify_all()

    def _run(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            while True:
                name = self._next()
                connection.request("POST", "/default", event(name), {"content-type": STRUCTURED_TYPE})
                answer = connection.getresponse()
                self._note(name, answer.status, answer.read())
        except (OSError, http.client.HTTPException):
            pass  # the broker is gone; what had no answer may be stored or not
        finally:
            connection.close()

    @contextmanager
    def sending(self, port: int, *, threads: int = 4) -> Iterator[None]:
        """Send while the block runs, and until the broker is gone."""
        running = [threading.Thread(target=self._run, args=(port,)) for _ in range(threads)]
        for thread in running:
            thread.start()
        try:
            yield
        finally:
            for thread in running:
                thread.join(PATIENCE)

    def wait_for_accepted(self, more: int) -> None:
        """Until so many more events were accepted."""
        with self._changed:
            goal = len(self.accepted) + more
            if not self._changed.wait_for(lambda: len(self.accepted) >= goal, PATIENCE):
                raise TimeoutError(f"too few were accepted in time; {self.strange}")


def configure(folder: Path, sink: str, *, first: str = "", last: str = "") -> Path:
    """A file with one subscription to everything on the bus `default`; `first` and `last` are put around it."""
    file = folder / "broker.toml"
    file.write_text(
        f'storage = "sqlite:///events.db"\n{first}\n'
        "[gateway]\nport = 0\n"
        '[http]\nnetworks = ["127.0.0.0/8"]\n'
        f'[[subscriptions]]\nid = "all"\nsink = "{sink}"\nstart = "earliest"\n'
        f"config = {{ backoff = {{ first = 0.05 }} }}\n{last}\n"
    )
    return file


def post(port: int, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """One request on a connection of its own: the status and the body of its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def event(name: str) -> bytes:
    """An event in structured mode."""
    return json.dumps({"specversion": "1.0", "id": name, "source": "/test", "type": "t", "data": {"n": 1}}).encode()


def publish(port: int, name: str) -> int:
    """Send one event; the status."""
    return post(port, "/default", event(name), {"content-type": STRUCTURED_TYPE})[0]
