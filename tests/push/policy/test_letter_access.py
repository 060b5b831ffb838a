"""A URL that dead letters go to is shown a credential and a signature of its own, and nobody else sees the secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve

from eventroute.errors import InvalidConfiguration, InvalidSubscription
from eventroute.push.outcome import Delivered
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.credentials import BasicCredential, BearerCredential, ClientCertificate, HeaderCredential
from eventroute.push.policy.letter_access import DeadLetterAccess
from eventroute.push.policy.signing import Signing
from eventroute.push.sinks.base import Message, takes_messages
from eventroute.push.sinks.letters import check_letters, letter_sink
from eventroute.push.sinks.registry import SinkRegistry
from eventroute.router import Router
from eventroute.secrets import Secret, Secrets
from eventroute.serving.config import load
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from tests.push.sinks.receiver import EVENT, LOOPBACK, receiver, sinks

LETTER = Message(EVENT, EVENT, "deadletter/s/1")
URL = "https://letters.example.com/"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VAULT = {"letters": "l3tters", "sink": "s1nk", "key": KEY}
SETTINGS = evolve(LOOPBACK, secrets=Secrets(resolvers={"vault": VAULT.__getitem__}))
ALL = DeadLetterAccess(
    credential=HeaderCredential(name="X-Api-Key", value="vault:letters"),
    certificate=ClientCertificate(certificate="file:/c.pem", key="file:/k.pem"),
    signing=Signing(secrets=["vault:key"]),
)
WRITTEN = {
    "credential": {"credentialtype": "HEADER", "header": "X-Api-Key", "secret": "vault:letters"},
    "certificate": {"certificate": "file:/c.pem", "key": "file:/k.pem"},
    "signing": {"secrets": ["vault:key"]},
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("stored", [False, True])
async def test_the_target_is_shown_its_own_and_not_what_the_sink_is(stored: bool) -> None:
    """Also as it comes out of a storage."""
    async with receiver() as receiving, sinks(SETTINGS) as provider:
        policy = DeliveryPolicy(
            credential=BearerCredential(token="vault:sink"),
            headers={"X-For-The-Sink": "1"},
            dead_letter=f"http://127.0.0.1:{receiving.port}/",
            dead_letter_access=evolve(ALL, certificate=None),
        )
        registry = SinkRegistry([provider])
        sink = letter_sink(DeliveryPolicy.from_dict(*policy.to_dict()) if stored else policy, registry)
        assert sink is not None
        assert takes_messages(sink)
        assert await sink.send_messages([LETTER]) == Delivered()
        plain = letter_sink(evolve(policy, dead_letter_access=None), registry)
        assert plain is not None
        assert takes_messages(plain)
        assert await plain.send_messages([LETTER]) == Delivered()
        await registry.aclose()
    (_, shown, _), (_, bare, _) = receiving.requests
    assert shown["x-api-key"] == "l3tters"
    assert shown["webhook-signature"].startswith("v1,")
    assert "authorization" not in shown
    assert "x-for-the-sink" not in shown
    assert not bare.keys() & {"x-api-key", "webhook-signature", "authorization"}


def test_it_is_written_as_references_and_read_again() -> None:
    policy = DeliveryPolicy(dead_letter=URL, dead_letter_access=ALL)
    config, settings, credential = policy.to_dict()
    assert config == {"dead_letter": URL, "dead_letter_access": WRITTEN}
    assert (settings, credential) == ({}, None)
    assert DeliveryPolicy.from_dict(json.loads(json.dumps(config))) == policy


def test_no_secret_is_printed() -> None:
    access = DeadLetterAccess(credential=BasicCredential(user="me", password=Secret("hunter2")))
    policy = DeliveryPolicy(dead_letter=URL, dead_letter_access=access)
    assert "hunter2" not in f"{access!r} {policy!r} {access} {policy}"
    with pytest.raises(InvalidSubscription) as refused:
        policy.to_dict()
    assert refused.value.where == "config.dead_letter_access.credential.secret"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("config", "where"),
    [
        ({"dead_letter_access": WRITTEN}, "config.dead_letter_access"),
        ({"dead_letter": URL, "dead_letter_access": {}}, "config.dead_letter_access"),
        ({"dead_letter": URL, "dead_letter_access": "env:X"}, "config.dead_letter_access"),
        ({"dead_letter": URL, "dead_letter_access": {"rate": 1}}, "config.dead_letter_access.rate"),
        (
            {"dead_letter": URL, "dead_letter_access": {"credential": {"credentialtype": "PASSWORD"}}},
            "config.dead_letter_access.credential.credentialtype",
        ),
        (
            {
                "dead_letter": URL,
                "dead_letter_access": {"credential": {"credentialtype": "ACCESSTOKEN", "accesstoken": "hunter2"}},
            },
            "config.dead_letter_access.credential.accesstoken",
        ),
        (
            {"dead_letter": URL, "dead_letter_access": {"certificate": {"certificate": "hunter2"}}},
            "config.dead_letter_access.certificate.certificate",
        ),
        (
            {"dead_letter": URL, "dead_letter_access": {"signing": {"secrets": ["hunter2"]}}},
            "config.dead_letter_access.signing.secrets",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place_and_unseen(config: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        DeliveryPolicy.from_dict(config)
    assert refused.value.where == where
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["credential", "certificate", "signing"])
def test_a_value_of_another_kind_is_refused_with_its_place(name: str) -> None:
    with pytest.raises(InvalidSubscription) as refused:
        DeadLetterAccess(**cast(Any, {name: "hunter2"}))
    assert refused.value.where == f"policy.dead_letter_access.{name}"
    assert "hunter2" not in str(refused.value)


@pytest.mark.anyio
async def test_what_cannot_be_resolved_here_is_refused_when_subscribed() -> None:
    unknown = evolve(ALL, credential=BearerCredential(token="nowhere:x"), certificate=None)
    async with sinks(SETTINGS) as provider:
        policy = DeliveryPolicy(dead_letter="http://127.0.0.1/", dead_letter_access=unknown)
        with pytest.raises(InvalidSubscription) as refused:
            check_letters("default", "callable:s", policy, SinkRegistry([provider]), {"default"})
    assert refused.value.where == "policy.dead_letter_access.credential.token"


@pytest.mark.anyio
async def test_a_bus_is_shown_nothing() -> None:
    async def sink(event: object) -> None:
        raise AssertionError

    async with Router(MemoryStorage()) as router:
        await router.create_bus("audit")
        policy = DeliveryPolicy(dead_letter="bus:audit", dead_letter_access=ALL)
        with pytest.raises(InvalidSubscription, match="only an HTTP endpoint can heed it") as refused:
            await router.subscribe(Subscription(id="s", sink=sink, policy=policy))
    assert refused.value.where == "policy.dead_letter_access.credential"


FILE = """
storage = "memory:"

[buses.default]

[[subscriptions]]
id = "s"
sink = "https://example.com/"

[subscriptions.config]
dead_letter = "https://letters.example.com/"
dead_letter_access.credential = { credentialtype = "HEADER", header = "X-Api-Key", secret = "SECRET" }
"""


def test_a_file_has_it_too(tmp_path: Path) -> None:
    path = tmp_path / "broker.toml"
    path.write_text(FILE.replace("SECRET", "env:LETTERS_KEY"), encoding="utf-8")
    access = load(path).subscriptions[0].policy.dead_letter_access
    assert access == DeadLetterAccess(credential=HeaderCredential(name="X-Api-Key", value="env:LETTERS_KEY"))
    path.write_text(FILE.replace("SECRET", "hunter2"), encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as refused:
        load(path)
    assert "dead_letter_access.credential.secret" in str(refused.value)
    assert "hunter2" not in str(refused.value)
