from __future__ import annotations

import inspect
from base64 import b64encode
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventroute.errors import Unauthorized
from eventroute.gateway.authorize import AccessRequest, Authorize, Basic, Bearer, credentials
from eventroute.secrets import Secret

HOOK = credentials(
    {"default": [Bearer(Secret("t0ken")), Basic("ann", Secret("pä:ss"))], "nobody": []},
    open_buses=["lobby"],
)


def allowed(
    hook: Authorize, bus: str, authorization: str | None, action: Literal["publish", "manage"] = "publish"
) -> bool:
    headers = {} if authorization is None else {"authorization": authorization}
    try:
        answer = hook(AccessRequest(bus=bus, action=action, method="POST", headers=headers, client=None))
    except Unauthorized as error:
        assert not error.forbidden
        assert "t0ken" not in str(error)
        return False
    assert not inspect.isawaitable(answer)
    return True


def basic(pair: str) -> str:
    return "Basic " + b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    "right", ["Bearer t0ken", "bearer  t0ken", basic("ann:pä:ss"), basic("ann:pä:ss").replace("Basic", "BASIC")]
)
def test_each_credential_opens_its_bus(right: str) -> None:
    assert allowed(HOOK, "default", right)
    assert not allowed(HOOK, "nobody", right)
    assert not allowed(HOOK, "unknown", right)


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, "", "t0ken", "Bearer", "Bearer ", "Bearer t0ke", "Bearer t0ken2", "Basic t0ken", "Token t0ken"),
        *("Bearer pä:ss", "Bearer t0ken, Bearer t0ken", "Basic ", "Basic !!!", "Basic é", basic("ann"), basic("ann:")),
        *(basic("bob:pä:ss"), basic("ann:pä"), basic(":pä:ss"), "Basic " + b64encode(b"ann:p\xe4:ss").decode()),
    ],
)
def test_nothing_else_does(wrong: str | None) -> None:
    assert not allowed(HOOK, "default", wrong)


def test_an_open_bus_is_open() -> None:
    assert allowed(HOOK, "lobby", None)


@given(st.text(), st.text(min_size=1))
def test_a_token_is_right_only_whole(given: str, token: str) -> None:
    hook = credentials({"default": [Bearer(Secret(token))]})
    assert allowed(hook, "default", f"Bearer {given}") == (given.strip(" ") == token)


def test_who_may_publish_may_not_manage() -> None:
    hook = credentials(
        {"default": [Bearer(Secret("t0ken"))]},
        open_buses=["lobby"],
        managers={"default": [Bearer(Secret("r00t-t0ken"))]},
    )
    assert not allowed(hook, "default", "Bearer t0ken", "manage")
    assert allowed(hook, "default", "Bearer r00t-t0ken", "manage")
    assert not allowed(hook, "default", "Bearer r00t-t0ken")
    assert not allowed(hook, "lobby", None, "manage")
    assert not allowed(HOOK, "default", "Bearer t0ken", "manage")


@pytest.mark.parametrize("right", ["Bearer p", "Bearer m"])
def test_who_has_any_credential_may_try(right: str) -> None:
    hook = credentials({"a": [Bearer(Secret("p"))]}, open_buses=["b"], managers={"c": [Bearer(Secret("m"))]})
    hook(AccessRequest(bus="", action="try", method="GET", headers={"authorization": right}, client=None))
    for wrong in ({}, {"authorization": "Bearer x"}):
        with pytest.raises(Unauthorized, match="that publishers and managers have"):
            hook(AccessRequest(bus="", action="try", method="GET", headers=wrong, client=None))
