"""Which provider makes the sinks of which URL scheme; a provider is opened when its first event is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import anyio

from eventroute.errors import InvalidSubscription
from eventroute.event import Event
from eventroute.push.outcome import Outcome
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.rate import Rate
from eventroute.push.sinks.base import Message, MessageSink, Sink, SinkProvider, takes_messages
from eventroute.push.sinks.pull import PullSinks

__all__ = ["SinkRegistry"]


class SinkRegistry:
    """The sink providers of one router, for one event loop."""

    def __init__(self, providers: Iterable[SinkProvider]) -> None:
        self._providers: dict[str, SinkProvider] = {}
        for provider in providers:
            for scheme in provider.schemes:
                self._providers[scheme] = provider
        self._opened: list[SinkProvider] = []
        self._opening = anyio.Lock()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Refuse an address that can never work; raises InvalidSubscription."""
        self._provider(address).check(address, policy)

    def sink(self, address: str, policy: DeliveryPolicy) -> Sink | None:
        """The sink at an address, or None where this process cannot reach it. Raises InvalidSubscription."""
        return self._sink(self._provider(address), address, policy)

    def found(self, address: str, policy: DeliveryPolicy) -> tuple[Sink | None, DeliveryPolicy]:
        """Both `sink` and `policy`."""
        provider = self._provider(address)
        return self._sink(provider, address, policy), self._policy(provider, address, policy)

    def _sink(self, provider: SinkProvider, address: str, policy: DeliveryPolicy) -> Sink | None:
        sink = provider.sink(address, policy)
        if sink is None or provider in self._opened:
            return sink
        if takes_messages(sink):
            return _MessagesOnFirstUse(self, provider, sink)
        return _OpenedOnFirstUse(self, provider, sink)

    def policy(self, address: str, policy: DeliveryPolicy) -> DeliveryPolicy:
        """The policy that holds while this process serves an address. Raises InvalidSubscription."""
        return self._policy(self._provider(address), address, policy)

    def _policy(self, provider: SinkProvider, address: str, policy: DeliveryPolicy) -> DeliveryPolicy:
        return provider.policy(address, policy) if isinstance(provider, PullSinks) else policy

    async def prepare(self, address: str) -> None:
        """Open the provider of an address now; raises BackendUnsupported where it cannot work on this event loop."""
        await self.opened(self._provider(address))

    async def opened(self, provider: SinkProvider) -> None:
        """Have a provider open; raises BackendUnsupported where it cannot work on the running event loop."""
        if provider in self._opened:
            return
        async with self._opening:
            if provider not in self._opened:
                await provider.open()
                self._opened.append(provider)

    async def aclose(self) -> None:
        """Close the providers that were opened."""
        while self._opened:
            await self._opened.pop().aclose()

    def _provider(self, address: str) -> SinkProvider:
        scheme = address.partition(":")[0].lower()
        provider = self._providers.get(scheme)
        if provider is None:
            known = ", ".join(sorted(self._providers))
            raise InvalidSubscription(f"nothing here sends to {scheme!r} addresses; known: {known}", where="sink")
        return provider


class _OpenedOnFirstUse:
    """A sink whose provider is opened before its first event, and not before."""

    __slots__ = ("_provider", "_registry", "_sink", "send")

    def __init__(self, registry: SinkRegistry, provider: SinkProvider, sink: Sink) -> None:
        self._registry = registry
        self._provider = provider
        self._sink = sink
        self.send = self._first

    async def _first(self, event: Event) -> Outcome:
        await self._registry.opened(self._provider)
        self.send = self._sink.send
        return await self._sink.send(event)


class _MessagesOnFirstUse:
    """The same for a sink that takes messages."""

    __slots__ = ("_provider", "_registry", "_sink", "send_messages")

    def __init__(self, registry: SinkRegistry, provider: SinkProvider, sink: MessageSink) -> None:
        self._registry = registry
        self._provider = provider
        self._sink = sink
        self.send_messages = self._first

    @property
    def rate(self) -> Rate | None:
        return self._sink.rate

    async def send(self, event: Event) -> Outcome:
        await self._registry.opened(self._provider)
        return await self._sink.send(event)

    async def _first(self, messages: Sequence[Message]) -> Outcome:
        await self._registry.opened(self._provider)
        self.send_messages = self._sink.send_messages
        return await self._sink.send_messages(messages)
