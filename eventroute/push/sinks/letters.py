"""Where dead letters go: which targets can be, and the sink at one."""

from __future__ import annotations

from collections.abc import Collection

from eventroute.errors import InvalidSubscription
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.base import Sink
from eventroute.push.sinks.registry import SinkRegistry

__all__ = ["bus_of_letters", "check_letters", "letter_sink"]

_PLACE = "policy.dead_letter"


def bus_of_letters(policy: DeliveryPolicy) -> str | None:
    """The bus that dead letters go to, if it is one."""
    scheme, _, name = (policy.dead_letter or "").partition(":")
    return name if scheme.lower() == "bus" else None


def letter_sink(policy: DeliveryPolicy, sinks: SinkRegistry) -> Sink | None:
    """The sink for dead letters; None where they stay, or this process cannot reach it. Raises InvalidSubscription."""
    return None if policy.dead_letter is None else sinks.sink(policy.dead_letter, _way(policy))


def check_letters(bus: str, sink: str, policy: DeliveryPolicy, sinks: SinkRegistry, buses: Collection[str]) -> None:
    """Refuse a target that can never work, is a bus which is not among `buses`, or is where the events come from or go
    to anyway: the subscription's own `bus` or `sink`. Raises InvalidSubscription.
    """
    target = policy.dead_letter
    if target is None:
        return
    if target == sink:
        raise InvalidSubscription("this is the sink itself, which did not take them", where=_PLACE)
    name = bus_of_letters(policy)
    if name == bus:
        raise InvalidSubscription("this is the bus itself: the subscription would get them again", where=_PLACE)
    try:
        sinks.check(target, _way(policy))
    except InvalidSubscription as error:
        raise InvalidSubscription(error.reason, where=_place(error.where)) from None
    if name is not None and name not in buses:
        raise InvalidSubscription(f"there is no bus {name!r}: make it first", where=_PLACE)


def _way(policy: DeliveryPolicy) -> DeliveryPolicy:
    """How dead letters are sent."""
    access = policy.dead_letter_access
    if access is None:
        return DeliveryPolicy(max_hops=policy.max_hops)
    return DeliveryPolicy(
        max_hops=policy.max_hops,
        credential=access.credential,
        certificate=access.certificate,
        signing=access.signing,
    )


def _place(where: str) -> str:
    """What is wrong with a target, or with what it is shown."""
    name = where.removeprefix("policy.")
    shown = name.partition(".")[0] in ("credential", "certificate", "signing")
    return f"{_PLACE}_access.{name}" if shown else _PLACE
