"""A crew does what a task group does: all that is started runs, and waits for nothing that was started before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from eventroute.clock import SystemClock
from eventroute.push.deadlines import Deadlines
from eventroute.push.lane import crew as module
from eventroute.push.lane.crew import Crew
from eventroute.push.lane.stretch import Hand

BACKENDS = ("asyncio", "trio")


class Doing:
    """A function as what a hand does."""

    def __init__(self, do: Callable[[Hand], Awaitable[object]]) -> None:
        self.do = do
        self.cut = 0

    async def work(self, hand: Hand) -> None:
        await self.do(hand)

    def wait(self, hand: Hand) -> None:
        raise AssertionError("it makes no attempts")

    def cut_off(self, hand: Hand) -> None:
        self.cut += 1


def crew_of(tasks: TaskGroup) -> Crew:
    return Crew(tasks, Deadlines(SystemClock()))


@pytest.mark.parametrize("backend", BACKENDS)
@given(bursts=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), max_size=5))
def test_all_begin_in_order_and_all_end(backend: str, bursts: list[list[int]]) -> None:
    """Each thing of a burst waits so many times; none is done twice."""

    async def main() -> None:
        begun: list[tuple[int, int]] = []
        ended: set[tuple[int, int]] = set()
        expected = [(burst, place) for burst, waits in enumerate(bursts) for place in range(len(waits))]

        def work(name: tuple[int, int], waits: int) -> Doing:
            async def run(_hand: Hand) -> None:
                begun.append(name)
                for _ in range(waits):
                    await checkpoint()
                ended.add(name)

            return Doing(run)

        async with anyio.create_task_group() as tasks:
            crew = crew_of(tasks)
            for burst, waits in enumerate(bursts):
                for place, count in enumerate(waits):
                    crew.start_soon(work((burst, place), count))
                await checkpoint()
            with anyio.fail_after(5):
                while len(ended) < len(expected):
                    await checkpoint()
            assert begun == expected
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)


@pytest.mark.anyio
async def test_nothing_waits_for_what_was_started_before() -> None:
    done: list[int] = []

    async def wait(_hand: Hand) -> None:
        await anyio.sleep_forever()

    async def work(_hand: Hand) -> None:
        done.append(len(done))

    async with anyio.create_task_group() as tasks:
        crew = crew_of(tasks)
        for _ in range(20):
            crew.start_soon(Doing(wait))
            crew.start_soon(Doing(work))
        with anyio.fail_after(5):
            while len(done) < 20:
                await checkpoint()
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_what_does_not_wait_shares_a_task_and_lets_others_run() -> None:
    tasks_of: set[int] = set()
    turns = 0
    done = 0

    async def work(_hand: Hand) -> None:
        nonlocal done
        done += 1
        tasks_of.add(anyio.get_current_task().id)

    async def other() -> None:
        nonlocal turns
        while done < 1_000:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        crew = crew_of(tasks)
        for _ in range(1_000):
            crew.start_soon(Doing(work))
        await other()
        tasks.cancel_scope.cancel()
    assert len(tasks_of) <= 1_000 // module.TURN
    assert turns >= 1_000 // module.TURN // 4


@pytest.mark.anyio
async def test_tasks_are_kept_up_to_a_bound_and_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 3)
    used: list[int] = []
    go = anyio.Event()

    async def work(_hand: Hand) -> None:
        used.append(anyio.get_current_task().id)
        await go.wait()

    async with anyio.create_task_group() as tasks:
        crew = crew_of(tasks)
        for _ in range(8):
            crew.start_soon(Doing(work))
        with anyio.fail_after(5):
            while len(used) < 8:
                await checkpoint()
            assert len(set(used)) == 8
            go.set()
            while len(crew._idle) < 3:
                await checkpoint()
            kept = set(used)
            for count in range(9, 12):
                crew.start_soon(Doing(work))
                while len(used) < count:
                    await checkpoint()
        assert set(used[8:]) <= kept
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_fault_ends_the_task_group() -> None:
    async def fail(_hand: Hand) -> None:
        raise ValueError("oops")

    async def start() -> None:
        async with anyio.create_task_group() as tasks:
            crew_of(tasks).start_soon(Doing(fail))

    with pytest.raises(ExceptionGroup) as caught:
        await start()
    assert caught.group_contains(ValueError, match="oops")
