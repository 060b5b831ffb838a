from __future__ import annotations

import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import InvalidConfiguration, SecretNotFound
from eventroute.secrets import MAX_SECRET_BYTES, Secret, Secrets, check_reference


@given(st.text("xyz", min_size=4))
def test_a_secret_is_never_shown(text: str) -> None:
    secret = Secret(text)
    shown = f"{secret} {secret!r} {secret!s:>40} {[secret]} {vars(Secrets)['get'].__doc__}"
    assert text not in shown
    assert secret.reveal() == text


@given(st.text(min_size=1), st.text(), st.binary())
def test_matching_is_equality(text: str, other: str, raw: bytes) -> None:
    assert Secret(text).matches(text)
    assert Secret(text).matches(text.encode())
    assert Secret(text).matches(other) == (text == other)
    assert Secret(text).matches(raw) == (text.encode() == raw)


def test_comparing_takes_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time itself is not measured: the one function that promises it is what compares."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not Secret("a").matches("b")
    assert compared == [(b"a", b"b")]


@pytest.mark.parametrize("nothing", ["", None, b"bytes"])
def test_an_empty_secret_is_none(nothing: str) -> None:
    with pytest.raises(SecretNotFound):
        Secret(nothing)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "s3cret")
    assert Secrets().get("env:TOKEN").reveal() == "s3cret"
    monkeypatch.setenv("TOKEN", "")
    with pytest.raises(SecretNotFound, match="env:TOKEN is empty"):
        Secrets().get("env:TOKEN")
    monkeypatch.delenv("TOKEN")
    with pytest.raises(SecretNotFound, match="set the environment variable TOKEN"):
        Secrets().get("env:TOKEN")


@pytest.mark.parametrize(
    ("content", "text"), [(b"s3cret\n", "s3cret"), (b"s3cret\r\n", "s3cret"), (b" a\n\n", " a\n"), ("é".encode(), "é")]
)
def test_from_a_file_less_one_line_end(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "token").write_bytes(content)
    assert Secrets(folder=tmp_path).get("file:token").reveal() == text
    assert Secrets().get(f"file:{tmp_path / 'token'}").reveal() == text


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff", b"x" * (MAX_SECRET_BYTES + 1)])
def test_a_file_that_holds_no_secret(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(SecretNotFound, match="file:token"):
        Secrets(folder=tmp_path).get("file:token")


def test_a_path_that_cannot_be() -> None:
    with pytest.raises(SecretNotFound):
        Secrets().get("file:a\0b")


def test_from_a_resolver_of_the_application() -> None:
    secrets = Secrets(resolvers={"vault": {"app/token": "s3cret", "none": ""}.__getitem__})
    assert secrets.get("vault:app/token").reveal() == "s3cret"
    for missing in ("vault:other", "vault:none"):
        with pytest.raises(SecretNotFound, match=missing):
            secrets.get(missing)
    with pytest.raises(InvalidConfiguration, match="vault"):
        secrets.get("volt:app/token")


@pytest.mark.parametrize("given", ["hunter2", "env:", "ENV:hunter2", "hunter2:hunter2", "", None, 7])
def test_a_secret_in_clear_is_refused_and_not_repeated(given: object) -> None:
    with pytest.raises(InvalidConfiguration, match="env:NAME or file:PATH") as caught:
        check_reference(given)
    assert "hunter2" not in str(caught.value)


def test_a_resolver_that_fails_is_told_without_what_it_said() -> None:
    def resolve(name: str) -> str:
        raise SecretNotFound("no entry") if name == "told" else RuntimeError("hunter2")

    secrets = Secrets(resolvers={"vault": resolve})
    with pytest.raises(SecretNotFound, match="no entry"):
        secrets.get("vault:told")
    with pytest.raises(SecretNotFound, match="vault:other cannot be looked up: RuntimeError") as caught:
        secrets.get("vault:other")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("allowed", [(), ("env:SINK_",), ("file:/run/",)], ids=str)
def test_only_what_is_allowed_may_be_used(allowed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_A", "a")
    monkeypatch.setenv("OTHER", "b")
    secrets = Secrets(allowed=allowed)
    for reference in ("env:SINK_A", "env:OTHER", "file:/run/../etc/passwd", "file:/etc/passwd"):
        if allowed == ("env:SINK_",) and reference == "env:SINK_A":
            assert secrets.get(reference).reveal() == "a"
        else:
            with pytest.raises(InvalidConfiguration, match="is not among the secrets that may be used here"):
                secrets.get(reference)
