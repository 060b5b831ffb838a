"""Attempts one behind the other: whoever else runs sees each as it is, and what they await passes through unchanged."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from types import coroutine
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from eventroute.event import Event
from eventroute.push.deadlines import Deadlines, extending
from eventroute.push.delivery import Delivery
from eventroute.push.lane import Lane
from eventroute.push.lane import lane as module
from eventroute.push.lane.crew import Crew
from eventroute.push.lane.host import Host
from eventroute.push.lane.stretch import Noticing
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.route import Route
from eventroute.testing.clock import VirtualClock
from tests.pushing import events

BACKENDS = ("asyncio", "trio")


class Computing(VirtualClock):
    """A clock that a sink can let go on without waiting."""

    def compute(self, seconds: float) -> None:
        self._elapsed += seconds


@define(eq=False)
class Steps:
    """A sink that waits so many times for an event, and then ends as it says."""

    steps: list[tuple[int, Outcome | Exception]]
    begun: int = 0
    ended: list[int] = field(factory=list)

    async def send(self, event: Event) -> Outcome:
        number = int(event.id)
        waits, end = self.steps[number]
        self.begun += 1
        for _ in range(waits):
            await checkpoint()
        self.ended.append(number)
        if isinstance(end, Exception):
            raise end
        return end


class Told:
    """What a lane told of its attempts."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.outcomes: list[Outcome] = []
        self.times = 0

    def __call__(self, lane: Lane, deliveries: Sequence[Delivery], outcome: Outcome, route: Route) -> None:
        assert route is lane.route
        self.times += 1
        self.offsets += [one.offset for one in deliveries]
        self.outcomes += [outcome for _ in deliveries]


def lane_of(sink: Any, crew: Crew, told: Told, clock: VirtualClock, *, singly: bool = False, **policy: Any) -> Lane:
    route = Route("s", "x:s", DeliveryPolicy(**policy), sink, lambda event: event, None)
    return Lane(route, Host(clock, crew, crew.deadlines, told, lambda _lane: False, singly=singly))


def deliveries(count: int) -> list[Delivery]:
    return [Delivery("s", number, event.to_json()) for number, event in enumerate(events(*range(count)))]


OUTCOMES = st.sampled_from([Delivered(), Delivered(), Delivered(), RetryLater("no"), Rejected("bad"), ValueError("oh")])


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    steps=st.lists(st.tuples(st.sampled_from([0, 0, 0, 1, 2]), OUTCOMES), min_size=1, max_size=30),
    concurrency=st.integers(1, 4),
    singly=st.booleans(),
)
def test_nobody_who_gets_a_turn_sees_an_attempt_that_has_ended_and_was_not_told(
    backend: str, steps: list[tuple[int, Outcome | Exception]], concurrency: int, singly: bool
) -> None:
    sink, told, clock = Steps(steps), Told(), VirtualClock()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            lane = lane_of(sink, Crew(tasks, Deadlines(clock)), told, clock, singly=singly, concurrency=concurrency)
            assert lane.offer(deliveries(len(steps))) == len(steps)
            for _ in range(10 * len(steps) + 10):
                await checkpoint()
                assert sorted(told.offsets) == sorted(sink.ended)
                assert lane.in_flight == sink.begun - len(sink.ended)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert sorted(told.offsets) == list(range(len(steps)))
    assert [type(told.outcomes[told.offsets.index(number)]) for number in range(len(steps))] == [
        RetryLater if isinstance(end, Exception) else type(end) for _, end in steps
    ]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("singly", [False, True])
def test_what_never_waits_is_told_together_but_where_each_is_to_be_told(backend: str, singly: bool) -> None:
    count = module.TURN // 2
    sink, told, clock = Steps([(0, Delivered())] * count), Told(), VirtualClock()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            lane = lane_of(sink, Crew(tasks, Deadlines(clock)), told, clock, singly=singly)
            lane.offer(deliveries(count))
            for _ in range(10):
                await checkpoint()
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert told.offsets == list(range(count))
    assert told.times == (count if singly else 1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_time_of_an_attempt_runs_from_its_beginning_though_it_did_not_wait(backend: str) -> None:
    told, clock = Told(), Computing()
    ends: list[float] = []

    class Slow:
        async def send(self, event: Event) -> Outcome:
            clock.compute(6)
            if event.id == "1":
                try:
                    await anyio.sleep_forever()
                finally:
                    ends.append(clock.monotonic())
            return Delivered()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            deadlines = Deadlines(clock)
            tasks.start_soon(deadlines.run)
            lane = lane_of(Slow(), Crew(tasks, deadlines), told, clock, concurrency=1, timeout=10)
            lane.offer(deliveries(3))
            await clock.advance(0)  # two have computed by now, the second waits
            await clock.advance(3.9)
            assert not ends
            await clock.advance(0.2)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert ends == [16.0]
    assert told.offsets == [0, 1, 2]
    assert told.outcomes[1] == RetryLater("timeout", "no answer within 10 s")


@define(eq=False)
class Taking:
    """A sink that takes so many seconds for an event; less than none: it does not wait."""

    clock: VirtualClock
    seconds: list[float]
    spans: dict[int, float] = field(factory=dict)

    async def send(self, event: Event) -> Outcome:
        number, began = int(event.id), self.clock.monotonic()
        try:
            if self.seconds[number] >= 0:
                await self.clock.sleep(self.seconds[number])
        finally:
            self.spans[number] = self.clock.monotonic() - began
        return Delivered()


@pytest.mark.parametrize("backend", BACKENDS)
@given(
    lanes=st.lists(st.lists(st.sampled_from([-1, -1, -1, 0, 3, 9, 11, 1e6]), max_size=6), min_size=1, max_size=6),
    concurrency=st.integers(1, 3),
)
def test_an_attempt_that_is_cut_off_costs_no_other_its_time_though_they_share_a_hand(
    backend: str, lanes: list[list[float]], concurrency: int
) -> None:
    clock = VirtualClock()
    sinks, told = [Taking(clock, seconds) for seconds in lanes], [Told() for _ in lanes]

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            crew = Crew(tasks, Deadlines(clock))
            tasks.start_soon(crew.deadlines.run)
            for sink, heard in zip(sinks, told, strict=True):
                lane = lane_of(sink, crew, heard, clock, concurrency=concurrency, timeout=10)
                lane.offer(deliveries(len(sink.seconds)))
            await clock.advance(100)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    for sink, heard in zip(sinks, told, strict=True):
        assert sorted(heard.offsets) == list(range(len(sink.seconds)))
        for offset, outcome in zip(heard.offsets, heard.outcomes, strict=True):
            assert sink.spans[offset] == min(max(sink.seconds[offset], 0), 10)
            assert isinstance(outcome, Delivered if sink.seconds[offset] < 10 else RetryLater)


@pytest.mark.anyio
async def test_a_sink_that_asks_for_time_gets_it_for_its_own_attempt_whoever_had_the_hand_before() -> None:
    clock = VirtualClock()
    async with anyio.create_task_group() as tasks:
        deadlines = Deadlines(clock)
        tasks.start_soon(deadlines.run)
        with anyio.CancelScope() as scope:
            watched = deadlines.watch(scope)
            with anyio.CancelScope() as inner:
                deadlines.forget(deadlines.watch(inner))
                await checkpoint()
            extending()(5)
            tasks.start_soon(clock.advance, 6)
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        deadlines.forget(watched)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("backend", BACKENDS)
def test_who_loses_the_lease_begins_no_more_though_nothing_waited(backend: str) -> None:
    """Where a limit holds for all processes together, another one sends from then on."""
    told, clock = Told(), Computing()
    begun: list[float] = []

    class Computes:
        async def send(self, event: Event) -> Outcome:
            begun.append(clock.monotonic())
            clock.compute(6)
            return Delivered()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            deadlines = Deadlines(clock)
            deadlines.lease_until = 15
            lane = lane_of(Computes(), Crew(tasks, deadlines), told, clock, max_in_flight=1)
            lane.begin_to_send(after_another=False)
            lane.offer(deliveries(5))
            for _ in range(10):
                await checkpoint()
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    assert begun == [0, 6, 12]
    assert told.offsets == [0, 1, 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes_whose_sinks_never_wait_take_turns(backend: str) -> None:
    told, clock = Told(), VirtualClock()
    order: list[str] = []

    class Busy:
        def __init__(self, name: str) -> None:
            self.name = name

        async def send(self, event: Event) -> Outcome:
            order.append(self.name)
            return Delivered()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            crew = Crew(tasks, Deadlines(clock))
            for name in "ab":
                lane = lane_of(Busy(name), crew, told, clock, concurrency=1)
                lane.offer(deliveries(5 * module.TURN))
            while len(order) < 10 * module.TURN:
                await checkpoint()
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    for seen in range(1, len(order)):
        assert abs(order[:seen].count("a") - order[:seen].count("b")) <= 2 * module.TURN  # trio draws who comes first


@coroutine
def ask(question: object) -> Generator[object, Any, Any]:
    return (yield question)


MOVES = st.lists(st.one_of(st.integers(), st.sampled_from([KeyError("a"), ValueError("b")])), max_size=6)


@given(MOVES, st.booleans())
def test_whoever_awaits_is_given_and_gives_the_same_with_it_between(moves: list[Any], stops: bool) -> None:
    """Answers, exceptions that are thrown in, the result, and what comes out; `waits` is called once a question."""

    async def asks(heard: list[object]) -> str:
        try:
            for number in range(len(moves)):
                try:
                    heard.append(await ask(number))
                except KeyError as error:
                    heard.append(error)
        finally:
            heard.append("over")
        return "result"

    async def between(heard: list[object], waits: Callable[[], None]) -> str:
        return await Noticing(asks(heard), waits)

    def drive(running: Any) -> list[object]:
        seen: list[object] = []
        try:
            seen.append(running.send(None))
            for move in moves:
                seen.append(running.throw(move) if isinstance(move, Exception) else running.send(move))
                if stops:
                    running.close()
                    break
        except StopIteration as end:
            seen.append(end.value)
        except ValueError as error:
            seen.append(error)
        return seen

    waits: list[None] = []
    plain: list[object] = []
    through: list[object] = []
    expected = drive(asks(plain))
    assert drive(between(through, partial(waits.append, None))) == expected
    assert through == plain
    assert len(waits) == sum(isinstance(one, int) for one in expected)
