"""In-process sinks: async functions, stored as `callable:ID`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import field, frozen

from eventroute.errors import InvalidEvent, InvalidSubscription, Reject, Retry
from eventroute.event import Event
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.sinks.base import refuse_http_only

__all__ = ["CallableSink", "CallableSinks"]

_DELIVERED = Delivered()


@frozen
class CallableSink:
    """An async function as a sink.

    It returns: delivered. It raises `Reject`: dead-lettered. It raises `Retry` or anything else: tried again, but for
    the InvalidEvent of an event that it cannot read, which no time mends.
    """

    function: Callable[[Event], Awaitable[object]]

    async def send(self, event: Event) -> Outcome:
        """Call the function."""
        try:
            await self.function(event)
        except Retry as retry:
            return RetryLater("retry", retry.reason, retry.after)
        except Reject as reject:
            return Rejected("rejected", reject.reason)
        except Exception as error:  # noqa: BLE001 - user code may raise anything; it becomes the reason
            fault = _fault(event) if _tells_of_an_event(error) else None
            if fault is not None:
                return Rejected("invalid-event", fault)
            return RetryLater("exception", f"{type(error).__name__}: {error}")
        return _DELIVERED


def _tells_of_an_event(error: Exception) -> bool:
    """Whether an event was found to be none, perhaps in a task of the function's: this one, or another that it made."""
    return isinstance(error, InvalidEvent) or (
        isinstance(error, ExceptionGroup) and error.subgroup(InvalidEvent) is not None
    )


def _fault(event: Event) -> str | None:
    """Why an event from a log cannot be read to its end, if so: it is taken apart only where somebody asks."""
    try:
        _ = event.attributes, event.data
    except InvalidEvent as error:
        return str(error)
    return None


@frozen
class CallableSinks:
    """The functions that this process holds, by id."""

    functions: dict[str, CallableSink] = field(factory=dict)

    @property
    def schemes(self) -> frozenset[str]:
        """`callable`."""
        return frozenset({"callable"})

    def hold(self, address: str, function: Callable[[Event], Awaitable[object]]) -> None:
        """From now on this process can deliver to `address`."""
        self.functions[address] = CallableSink(function)

    def drop(self, address: str) -> None:
        """Forget the function at `address`, where there is one."""
        self.functions.pop(address, None)

    async def open(self) -> None:
        """Nothing to open."""

    async def aclose(self) -> None:
        """Nothing to close."""

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """An address is `callable:ID`; a policy has nothing that a function cannot heed."""
        if not address.removeprefix("callable:"):
            raise InvalidSubscription("a function's address is callable:ID", where="sink")
        refuse_http_only(policy, "a function")

    def sink(self, address: str, policy: DeliveryPolicy) -> CallableSink | None:
        """The function, or None where this process does not hold it."""
        return self.functions.get(address)
