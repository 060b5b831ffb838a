"""Lanes on virtual time: batches, and rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, evolve, field

from eventroute.clock import Clock
from eventroute.errors import Retry
from eventroute.event import Event
from eventroute.push.lane import lane
from eventroute.push.outcome import Delivered, Outcome, Rejected, RetryLater
from eventroute.push.policy import DeliveryPolicy
from eventroute.push.policy.backoff import Backoff
from eventroute.push.policy.batch import Batch
from eventroute.push.policy.breaker import Breaker
from eventroute.push.policy.rate import Rate
from eventroute.push.policy.webhook import Handshake
from eventroute.push.sinks.base import Message
from eventroute.router import Router
from eventroute.storage.memory import MemoryStorage
from eventroute.subscription import Subscription
from eventroute.testing.clock import VirtualClock
from tests.pushing import Sink, events, idle, to

pytestmark = pytest.mark.anyio


@define(eq=False)
class Post:
    """A provider and its one sink, which takes messages: `answer` says what comes of those with these ids."""

    clock: Clock
    answer: Callable[[list[str]], Outcome] = lambda _ids: Delivered()
    takes: float = 0.0
    """How long an attempt takes, in seconds."""
    rate: Rate | None = None
    requests: list[tuple[float, list[str]]] = field(factory=list)
    messages: list[Message] = field(factory=list)
    under_way: int = 0
    most: int = 0
    schemes: frozenset[str] = frozenset({"post"})

    async def open(self) -> None:
        await checkpoint()

    async def aclose(self) -> None:
        await checkpoint()

    def check(self, address: str, policy: DeliveryPolicy) -> None:
        """Any will do."""

    def sink(self, address: str, policy: DeliveryPolicy) -> Post:
        return self

    async def send(self, event: Event) -> Outcome:
        raise AssertionError("it takes messages")

    async def send_messages(self, messages: Sequence[Message]) -> Outcome:
        ids = [message.event.id for message in messages]
        self.requests.append((self.clock.monotonic(), ids))
        self.messages += messages
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.clock.sleep(self.takes)
        finally:
            self.under_way -= 1
        return self.answer(ids)

    @property
    def sent(self) -> list[list[str]]:
        return [ids for _, ids in self.requests]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def post(clock: VirtualClock) -> Post:
    return Post(clock)


@pytest.fixture
def router(clock: VirtualClock, post: Post) -> Router:
    return Router(MemoryStorage(clock=clock), clock=clock, sinks=[post])


def batches(**more: Any) -> Subscription:
    values = {"mode": "batch", "batch": Batch(events=4), "concurrency": 1, "backoff": Backoff(1, 1), **more}
    return Subscription(id="s", sink="post:office", policy=DeliveryPolicy(**values))


def numbers(end: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, end)]


# -- batches


async def test_what_is_queued_goes_in_batches_in_the_order_of_the_log(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(*range(10)))
        await clock.advance(1)
    assert [one for ids in post.sent for one in ids] == numbers(10)
    assert [len(ids) for ids in post.sent] == [4, 4, 2]
    assert router.clean


async def test_a_batch_is_bounded_in_bytes_and_holds_one_event_at_least(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    size = len(events(1)[0].to_json())
    async with router:
        await router.subscribe(batches(batch=Batch(events=100, bytes=2 * size)))
        await router.publish(*events(*range(5)))
        await clock.advance(1)
        await router.subscribe(batches(batch=Batch(events=100, bytes=1)))
        await router.publish(*events(5, 6))
        await clock.advance(1)
    assert post.sent == [["0", "1"], ["2", "3"], ["4"], ["5"], ["6"]]


async def test_batches_go_side_by_side_up_to_the_concurrency(router: Router, post: Post, clock: VirtualClock) -> None:
    post.takes = 5.0
    async with router:
        await router.subscribe(batches(concurrency=2))
        await router.publish(*events(*range(20)))
        await clock.advance(4)
        assert post.sent == [numbers(4), numbers(8, 4)]
        await clock.advance(20)
    assert post.most == 2
    assert len(post.requests) == 5


async def test_a_batch_that_is_not_full_lingers_for_more(router: Router, post: Post, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(batches(batch=Batch(events=3, linger=10)))
        await router.publish(*events(0))
        await clock.advance(6)
        await router.publish(*events(1))
        await clock.advance(3.9)
        assert post.requests == []
        await clock.advance(0.2)
        assert post.sent == [["0", "1"]]
        assert post.requests[0][0] == pytest.approx(10, abs=0.1)
        await router.publish(*events(2, 3, 4))
        await clock.advance(0.1)
        assert post.sent[1:] == [["2", "3", "4"]]  # full: no wait
        await router.publish(*events(5))
        await clock.advance(9)
        assert len(post.requests) == 2
        await clock.advance(1.1)
        assert post.sent[2:] == [["5"]]
        assert await router.idle() == 0


async def test_who_stops_does_not_linger_and_loses_nothing(post: Post, clock: VirtualClock) -> None:
    storage = MemoryStorage(clock=clock)
    async with storage:
        async with Router(storage, clock=clock, sinks=[post]) as router:
            await router.subscribe(batches(batch=Batch(events=3, linger=60)))
            await router.publish(*events(0))
            await clock.advance(1)
        assert router.clean
        assert post.requests == []
        async with Router(storage, clock=clock, sinks=[post]) as router:
            await clock.advance(61)
            assert await router.idle() == 0
    assert post.sent == [["0"]]


async def test_a_batch_that_fails_is_tried_again_as_a_whole(router: Router, post: Post, clock: VirtualClock) -> None:
    answers: list[Outcome] = [RetryLater("http-503"), Delivered()]
    post.answer = lambda _ids: answers.pop(0)
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(*range(4)))
        await clock.advance(0.0)
        await clock.advance(3)
        assert await router.idle() == 0
    assert post.sent == [numbers(4), numbers(4)]


async def test_a_batch_that_fails_is_one_failure_for_the_breaker(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    post.answer = lambda _ids: RetryLater("http-500")
    async with router:
        await router.subscribe(batches(breaker=Breaker(failures=3, delay=Backoff(1_000, 1_000)), max_attempts=9))
        await router.publish(*events(*range(4)))
        await clock.advance(100)
        assert len(post.requests) == 3
    assert [len(ids) for ids in post.sent] == [4, 4, 4]


async def test_the_culprit_of_a_rejected_batch_is_found_and_the_others_are_delivered(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    post.answer = lambda ids: Rejected("http-422", "bad 2") if "2" in ids else Delivered()
    async with router:
        await router.subscribe(batches(batch=Batch(events=8)))
        await router.publish(*events(*range(8)))
        await clock.advance(1)
        [letter] = await router.deadletters()
        assert (letter.reason, letter.error, letter.attempts) == ("http-422", "bad 2", 1)
        assert await router.idle() == 0
    assert post.sent == [numbers(8), numbers(4), ["0", "1"], ["2", "3"], ["2"], ["3"], numbers(8, 4)]


async def test_a_half_that_fails_is_tried_again_and_the_rest_goes_on(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    down = [True]

    def answer(ids: list[str]) -> Outcome:
        if len(ids) == 4:
            return Rejected("http-400")
        if "0" in ids and down:
            down.clear()
            return RetryLater("http-500")
        return Delivered()

    post.answer = answer
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(*range(4)))
        await clock.advance(5)
        assert await router.deadletters() == []
        assert await router.idle() == 0
    assert post.sent == [numbers(4), ["0", "1"], ["2", "3"], ["0", "1"]]


async def test_the_rest_of_a_rejected_batch_waits_where_the_sink_has_asked_for_time(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    """Found by simulation (measure 1038720): the other half was sent all the same."""
    asks = [True]

    def answer(ids: list[str]) -> Outcome:
        if len(ids) == 4:
            return Rejected("http-400")
        if asks:
            asks.clear()
            return RetryLater("http-429", after=9.0, hold_lane=True)
        return Delivered()

    post.answer = answer
    async with router:
        await router.subscribe(batches(batch=Batch(events=4, linger=0.0)))
        await router.publish(*events(*range(4)))
        await clock.advance(8)
        early = list(post.sent)
        await clock.advance(60)
        assert await router.idle() == 0
        assert await router.deadletters() == []
    assert early == [numbers(4), ["0", "1"]]
    assert {one for sent in post.sent[2:] for one in sent} == {*numbers(4)}


async def test_the_rest_of_a_rejected_batch_goes_where_the_subscription_goes_by_now(
    clock: VirtualClock, post: Post
) -> None:
    post.takes, post.answer = 2.0, lambda _ids: Rejected("http-400")
    other = Post(clock, schemes=frozenset({"other"}))
    async with Router(MemoryStorage(clock=clock), clock=clock, sinks=[post, other]) as router:
        await router.subscribe(batches())
        await router.publish(*events(*range(4)))
        await clock.advance(1)
        await router.subscribe(evolve(batches(), sink="other:office"))
        await clock.advance(9)
        assert await idle(router, clock) == 0
        assert await router.deadletters() == []
    assert post.sent == [numbers(4)]
    assert sorted(one for ids in other.sent for one in ids) == numbers(4)


@pytest.mark.parametrize("end", ["removed", "paused"])
async def test_the_rest_of_a_rejected_batch_goes_nowhere_where_nothing_is_to_go(
    router: Router, post: Post, clock: VirtualClock, end: str
) -> None:
    post.takes, post.answer = 2.0, lambda _ids: Rejected("http-400")
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(*range(4)))
        await clock.advance(1)
        await (router.unsubscribe("s") if end == "removed" else router.pause("s"))
        await clock.advance(9)
        assert await router.deadletters() == []
        assert await idle(router, clock) == (0 if end == "removed" else 4)
    assert post.sent == [numbers(4)]
    assert router.clean


async def test_an_endpoint_that_is_gone_rejects_the_whole_batch_and_pauses_once(
    router: Router, post: Post, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    post.answer = lambda _ids: Rejected("gone", pause="gone")
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(*range(4)))
        await clock.advance(1)
        assert [letter.reason for letter in await router.deadletters()] == ["gone"] * 4
        assert (await router.subscription("s")).paused == "gone"
    assert caplog.text.count("subscription s is paused: gone") == 1


async def test_a_batch_that_takes_too_long_is_a_retry_for_each(router: Router, post: Post, clock: VirtualClock) -> None:
    post.takes = 50.0
    async with router:
        await router.subscribe(batches(timeout=10, max_attempts=1))
        await router.publish(*events(*range(4)))
        await clock.advance(11)
        letters = await router.deadletters()
        assert [letter.reason for letter in letters] == ["retries-exhausted"] * 4
        assert letters[0].error == "timeout: no answer within 10 s"
    assert post.under_way == 0
    assert router.clean


async def test_each_half_has_the_whole_timeout(router: Router, post: Post, clock: VirtualClock) -> None:
    post.takes = 8.0
    post.answer = lambda ids: Rejected("http-400") if "3" in ids else Delivered()
    async with router:
        await router.subscribe(batches(timeout=10))
        await router.publish(*events(*range(4)))
        await clock.advance(60)
        [letter] = await router.deadletters()
        assert letter.reason == "http-400"
    assert post.sent == [numbers(4), ["0", "1"], ["2", "3"], ["2"], ["3"]]


async def test_what_cannot_be_sent_is_settled_alone(router: Router, post: Post, clock: VirtualClock) -> None:
    late = events("late", expirytime="2020-01-01T00:00:00Z")
    async with router:
        await router.subscribe(batches())
        await router.publish(*events(0), *late, *events(1))
        await clock.advance(1)
        assert [letter.reason for letter in await router.deadletters()] == ["expired"]
        await router.publish(*late)
        await clock.advance(1)
        assert await router.idle() == 0
    assert post.sent == [["0", "1"]]


async def test_a_batch_that_stopping_cuts_off_is_made_again(clock: VirtualClock, post: Post) -> None:
    storage = MemoryStorage(clock=clock)
    post.takes = 100.0
    async with storage:
        async with anyio.create_task_group() as tasks, Router(storage, clock=clock, sinks=[post], grace=3) as router:
            await router.subscribe(batches(timeout=1_000))
            await router.publish(*events(*range(3)))
            await clock.advance(1)
            tasks.start_soon(clock.advance, 5)
        assert not router.clean
        assert post.under_way == 0
        post.takes = 0.0
        async with Router(storage, clock=clock, sinks=[post]) as router:
            await clock.advance(1)
            assert await router.idle() == 0
    assert post.sent == [numbers(3), numbers(3)]


async def test_a_message_names_its_delivery_and_has_the_event_as_it_was(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    answers: list[Outcome] = [RetryLater("http-503"), Delivered()]
    post.answer = lambda _ids: answers.pop(0)
    policy = DeliveryPolicy(backoff=Backoff(1, 1))
    transformer = {"template": '{"m": ${$.data.n}}'}
    async with router:
        await router.subscribe(Subscription(id="s", sink="post:a", policy=policy, transformer=transformer))
        await router.publish(*events(7))
        await clock.advance(3)
    first, second = post.messages
    assert first.key == second.key
    assert first.event.data == {"m": 1}
    assert first.original.data == {"n": 1}


# -- rates


async def test_a_rate_delays_and_never_drops(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        policy = DeliveryPolicy(rate=Rate(2, burst=3), timeout=0.3)
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(9)))
        await clock.advance(10)
        assert await router.idle() == 0
    assert sink.got == numbers(9)
    times = [moment for _, moment in sink.attempts]
    assert times == pytest.approx([0, 0, 0, 0.5, 1, 1.5, 2, 2.5, 3], abs=0.05)


async def test_a_lane_keeps_no_more_bytes_in_memory_than_its_bound(clock: VirtualClock) -> None:
    sink, large = Sink(clock), Event.create(type="order", source="/shop", data={"n": "x" * 1_000_000})
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(rate=Rate(0.001))))
        for number in range(40):
            await router.publish(large.replace({"id": str(number)}))
        await clock.advance(0.01)
        [stats] = await router.stats()
        assert 1 <= stats.queued <= 17  # 16 MiB, and the event that passes it
        await router.subscribe(to(sink))
        assert await idle(router, clock) == 0
    assert sorted(map(int, sink.got)) == list(range(40))


async def test_time_that_is_spent_waiting_for_the_rate_is_not_the_attempts(clock: VirtualClock) -> None:
    sink = Sink(clock, *[0.2] * 4)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(rate=Rate(0.1), timeout=0.3, max_attempts=1)))
        await router.publish(*events(*range(4)))
        await clock.advance(31)
        assert await router.deadletters() == []
    assert sink.got == numbers(4)


async def test_a_faster_rate_takes_effect_at_once(clock: VirtualClock) -> None:
    sink = Sink(clock)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        await router.subscribe(to(sink, policy=DeliveryPolicy(rate=Rate(0.001))))
        await router.publish(*events(*range(3)))
        await clock.advance(5)
        assert sink.got == ["0"]
        await router.subscribe(to(sink, policy=DeliveryPolicy()))
        await clock.advance(1)
        assert sink.got == numbers(3)


async def test_a_rate_does_not_hold_up_a_stop_nor_lose_what_waits(clock: VirtualClock) -> None:
    storage, sink = MemoryStorage(clock=clock), Sink(clock)
    async with storage:
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink, policy=DeliveryPolicy(rate=Rate(0.001))))
            await router.publish(*events(*range(3)))
            await clock.advance(1)
        assert router.clean
        async with Router(storage, clock=clock) as router:
            await router.subscribe(to(sink))
            await clock.advance(1)
            assert await router.idle() == 0
    assert sorted(sink.got) == numbers(3)


async def test_retries_go_by_the_rate_too(clock: VirtualClock) -> None:
    sink = Sink(clock, *[RuntimeError()] * 6)
    async with Router(MemoryStorage(clock=clock), clock=clock) as router:
        policy = DeliveryPolicy(rate=Rate(1), backoff=Backoff(0.01, 0.01), breaker=None)
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events(*range(3)))
        assert await idle(router, clock) == 0
    times = [moment for _, moment in sink.attempts]
    assert len(times) == 9
    assert all(later - earlier >= 1 - 1e-9 for earlier, later in pairwise(times))


async def test_a_batch_is_no_larger_than_the_burst(router: Router, post: Post, clock: VirtualClock) -> None:
    async with router:
        await router.subscribe(batches(rate=Rate(4, burst=2), concurrency=8))
        await router.publish(*events(*range(8)))
        await clock.advance(0.1)
        assert post.sent == [["0", "1"]]
        await clock.advance(3)
    assert [moment for moment, _ in post.requests] == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.05)


async def test_what_expires_while_its_half_waits_for_the_rate_is_not_sent(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    post.answer = lambda ids: Rejected("http-400") if len(ids) > 1 else Delivered()
    async with router:
        await router.subscribe(batches(rate=Rate(1, burst=4)))
        soon = datetime.fromtimestamp(clock.time() + 3.0, UTC).isoformat()
        await router.publish(*events(1), *events(2, expirytime=soon), *events(3), *events(4, expirytime=soon))
        assert await idle(router, clock) == 0
        assert await router.count_deadletters() == {("s", "expired"): 2}
    assert post.sent[0] == ["1", "2", "3", "4"]
    assert ["1"] in post.sent
    assert ["3"] in post.sent
    assert all("2" not in ids and "4" not in ids for when, ids in post.requests[1:] if when >= 3.0)


async def test_the_time_of_a_pause_does_not_age_what_waits_for_the_rate(clock: VirtualClock) -> None:
    """What is in memory when its subscription is paused goes back to the ledger, which knows of the pause."""
    sink = Sink(clock, Retry("busy", after=1.0), Retry("busy", after=1.0))
    policy = DeliveryPolicy(rate=Rate(0.2), max_age=30.0, backoff=Backoff(1.0, 1.0))
    async with Router(MemoryStorage(clock), clock=clock) as router:
        await router.subscribe(to(sink, policy=policy))
        await router.publish(*events("a"))
        await clock.advance(3.0)
        await router.pause("s")
        await clock.advance(1_000.0)
        await router.resume("s")
        assert await idle(router, clock) == 0
        assert await router.count_deadletters() == {}
    assert sink.got == ["a"]


async def test_what_a_sink_allows_is_counted_in_requests(router: Router, post: Post, clock: VirtualClock) -> None:
    """It is known once the first answer is there, and the halves of a batch are requests of their own."""

    def answer(ids: list[str]) -> Outcome:
        post.rate = Rate.per_minute(60)
        return Rejected("http-400") if "0" in ids else Delivered()

    post.answer = answer
    async with router:
        await router.subscribe(batches(handshake=Handshake(origin="me.example.com")))
        await router.publish(*events(*range(8)))
        await clock.advance(30)
        assert await router.idle() == 0
    assert post.sent == [numbers(4), ["0", "1"], ["0"], ["1"], ["2", "3"], numbers(8, 4)]
    times = [moment for moment, _ in post.requests]
    assert times[1] - times[0] < 0.1
    assert all(later - earlier >= 1 - 1e-6 for earlier, later in pairwise(times[1:]))


async def test_batches_with_a_rate_are_full_unless_a_burst_is_given(
    router: Router, post: Post, clock: VirtualClock
) -> None:
    async with router:
        await router.subscribe(batches(batch=Batch(events=5), rate=Rate(1)))
        await router.publish(*events(*range(12)))
        await clock.advance(8)
    assert [len(ids) for ids in post.sent] == [5, 5, 2]
    assert [moment for moment, _ in post.requests] == pytest.approx([0, 5.0, 7.0], abs=0.05)


async def test_a_slow_rate_does_not_hold_up_a_stop_in_the_middle_of_a_batch(clock: VirtualClock, post: Post) -> None:
    storage = MemoryStorage(clock=clock)
    post.answer = lambda ids: Rejected("http-400") if "0" in ids and len(ids) > 1 else Delivered()
    async with storage:
        async with anyio.create_task_group() as tasks, Router(storage, clock=clock, sinks=[post], grace=999) as router:
            await router.subscribe(batches(rate=Rate(0.01, burst=4)))
            await router.publish(*events(*range(4)))
            await clock.advance(1)
            tasks.start_soon(clock.advance, 500)
        assert router.clean
        async with Router(storage, clock=clock, sinks=[post]) as router:
            await router.subscribe(batches())
            await clock.advance(5)
            assert await router.idle() == 0
    assert sorted({one for ids in post.sent for one in ids}) == numbers(4)


# -- others


async def test_a_sink_that_waits_for_nothing_lets_others_run(clock: VirtualClock) -> None:
    turns = 0
    seen: list[int] = []

    async def sink(_event: Event) -> None:
        seen.append(turns)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with Router(MemoryStorage(clock=clock), clock=clock) as router, anyio.create_task_group() as tasks:
        await router.subscribe(to(sink, policy=DeliveryPolicy(concurrency=1)))
        tasks.start_soon(other)
        await router.publish(*events(*range(500)))
        with anyio.fail_after(5):
            while len(seen) < 500:
                await checkpoint()
        tasks.cancel_scope.cancel()
    assert max(Counter(seen).values()) <= 2 * lane.TURN  # trio draws who is first in each round
