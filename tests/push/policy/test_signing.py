"""Signatures by Standard Webhooks, held against the standard's own library."""

from __future__ import annotations

import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from eventroute.errors import InvalidSubscription
from eventroute.push.policy.signing import Signing, message_id, signature_headers, signing_key
from eventroute.secrets import Secret

keys = st.binary(min_size=24, max_size=64)


@given(st.lists(keys, min_size=1, max_size=4, unique=True), st.text(max_size=40), st.text(), st.data())
def test_each_secret_verifies_what_was_signed(secrets: list[bytes], name: str, body: str, data: st.DataObject) -> None:
    name = name.encode("utf-8", "ignore").decode()
    headers = dict(signature_headers(secrets, message_id(name), time.time(), body.encode()))
    for key in secrets:
        Webhook(key).verify(body, headers, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0] + b"x").verify(body, headers, json_parse=False)
    changed = data.draw(st.sampled_from(["webhook-id", "webhook-timestamp"]))
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(body, {**headers, changed: headers[changed] + "1"}, json_parse=False)
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets[0]).verify(body + "x", headers, json_parse=False)


@given(keys, st.floats(0, 4e9), st.text())
def test_the_library_signs_the_same(key: bytes, now: float, body: str) -> None:
    headers = dict(signature_headers([key], "msg_1", now, body.encode()))
    assert headers["webhook-timestamp"] == str(int(now))
    moment = datetime.fromtimestamp(int(now), UTC)
    assert headers["webhook-signature"] == Webhook(key).sign("msg_1", moment, body)


@given(keys, st.booleans(), st.booleans())
def test_a_secret_is_read_as_the_library_reads_it(key: bytes, prefixed: bool, padded: bool) -> None:
    text = b64encode(key).decode()
    text = ("whsec_" if prefixed else "") + (text if padded else text.rstrip("="))
    read = signing_key(Secret(text))
    assert read == key
    moment = datetime.fromtimestamp(0, UTC)
    assert Webhook(text).sign("m", moment, "b") == Webhook(read).sign("m", moment, "b")


@pytest.mark.parametrize(
    "text",
    ["whsec_", "whsec_hunter2", "hunter2!" * 8, b64encode(b"x" * 23).decode(), b64encode(b"x" * 65).decode(), "é" * 40],
)
def test_what_is_no_key_is_refused_unseen(text: str) -> None:
    with pytest.raises(ValueError, match="is not whsec_ and the base64 of 24 to 64 bytes") as refused:
        signing_key(Secret(text))
    assert text.removeprefix("whsec_") not in str(refused.value) or text == "whsec_"


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_an_id_tells_apart_what_differs_and_has_no_full_stop(one: list[str], other: list[str]) -> None:
    assert (message_id(*one) == message_id(*other)) == (one == other)
    assert "." not in message_id(*one)
    assert len(message_id(*one)) == 32


@pytest.mark.parametrize("secrets", [[], ["env:A"] * 9, ["hunter2"], [7], ["env:A", "hunter2"]])
def test_wrong_secrets_are_refused_unseen(secrets: list[str]) -> None:
    with pytest.raises(InvalidSubscription, match=r"signing\.secrets: ") as refused:
        Signing(secrets=secrets)
    assert "hunter2" not in str(refused.value)


def test_one_secret_alone_will_do() -> None:
    assert Signing(secrets="env:A") == Signing(secrets=["env:A"])


def test_a_secret_in_clear_cannot_be_stored() -> None:
    with pytest.raises(InvalidSubscription, match="a secret in clear cannot be stored: give it by reference"):
        Signing(secrets=[Secret("whsec_x")]).to_dict()
