"""What the demo takes for a fault."""

from __future__ import annotations

import pytest

from eventroute.demo.receiver import Message
from eventroute.demo.stage import mismatches
from eventroute.storage.base import DeadLetter


def message(name: str, body: bytes) -> Message:
    return Message(f"/{name}", {}, body, 0.0)


@pytest.mark.parametrize(
    ("messages", "faults"),
    [
        ([message("a", b"1")], []),
        ([], ["a did not get b'1'"]),
        ([message("a", b"2")], ["a did not get b'1'", "a got b'2', which was not for it"]),
        ([message("a", b"1"), message("a", b"1")], ["a got b'1', which was not for it"]),
        ([message("a", b"1"), message("b", b"1")], ["b got b'1', which was not for it"]),
    ],
)
def test_each_message_that_lacks_and_each_that_is_too_much(messages: list[Message], faults: list[str]) -> None:
    assert mismatches({"a": b"1"}, messages, []) == faults


def test_a_dead_letter() -> None:
    letter = DeadLetter("a", 1, 0.0, "http-400", "no", 1, b"{}")
    assert mismatches({}, [], [letter]) == ["a: http-400: no"]
