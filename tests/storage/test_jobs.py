from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventroute.errors import StorageClosed
from eventroute.storage.jobs import AppendJob, Call, Job, JobThread, PatientCall


class Notes(JobThread):
    """Works on a list."""

    def __init__(self) -> None:
        super().__init__("notes")
        self.notes: list[str] = []
        self.groups: list[int] = []

    def _begin(self) -> None:
        self.notes.append("begin")

    def _work(self, jobs: list[Job[Any]]) -> None:
        self.groups.append(len(jobs))
        for job in jobs:
            assert isinstance(job, Call)
            job.result = job.work(self.notes)

    def _end(self) -> None:
        self.notes.append("end")


def note(text: str, *, cost: float = 1.0) -> Call[None]:
    return Call(lambda notes: notes.append(text), cost=cost, undo=lambda _: lambda notes: notes.append(f"not {text}"))


@pytest.mark.anyio
async def test_jobs_are_done_in_order_and_the_thread_ends() -> None:
    thread = Notes()
    thread.start()
    thread.start()
    for text in "abc":
        await thread.run(note(text))
    await thread.stop()
    assert thread.closed
    assert thread.notes == ["begin", "a", "b", "c", "end"]
    with pytest.raises(StorageClosed):
        await thread.run(note("d"))


@pytest.mark.anyio
async def test_a_group_is_bounded_by_its_cost() -> None:
    thread = Notes()
    for _ in range(10):
        thread.post(note("x", cost=JobThread.GROUP_COST / 4))
    thread.post(note("large", cost=JobThread.GROUP_COST * 9))
    thread.post(note("last"))
    thread.start()
    await thread.run(note("end of the queue"))
    await thread.stop()
    assert thread.groups[:4] == [4, 4, 2, 1]
    assert len(thread.notes) == 15


class Kinds(JobThread):
    """Tells which jobs were done together."""

    def __init__(self) -> None:
        super().__init__("kinds")
        self.groups: list[list[str]] = []

    def _begin(self) -> None: ...

    def _work(self, jobs: list[Any]) -> None:
        self.groups.append([job.append_id if isinstance(job, AppendJob) else job.work(None) for job in jobs])
        for job in jobs:
            job.result = ()

    def _end(self) -> None: ...


def append(name: str, *, cost: float) -> AppendJob:
    job = AppendJob("default", [], name, [])
    job.cost = cost
    return job


def call(name: str, *, cost: float) -> Call[str]:
    return Call(lambda _: name, cost=cost)


@pytest.mark.anyio
async def test_calls_do_not_wait_for_all_appends_nor_appends_for_all_calls() -> None:
    thread, most = Kinds(), JobThread.GROUP_COST
    for number in range(4):
        thread.post(append(f"append {number}", cost=most * 0.9))
    for number in range(3):
        thread.post(call(f"call {number}", cost=most / 4))
    thread.start()
    await thread.stop()
    assert thread.groups == [
        ["call 0", "call 1", "append 0"],
        ["call 2", "append 1"],
        ["append 2"],
        ["append 3"],
    ]


@pytest.mark.anyio
async def test_appends_have_half_of_each_group_however_long_calls_take() -> None:
    """Else who publishes would wait a call for each append that is queued before, where calls are many and long."""
    thread, most = Kinds(), JobThread.GROUP_COST
    for number in range(9):
        thread.post(append(f"append {number}", cost=most / 8))
    for number in range(3):
        thread.post(call(f"call {number}", cost=most * 4))
    thread.start()
    await thread.stop()
    assert [len(group) for group in thread.groups] == [5, 5, 2]


@pytest.mark.anyio
async def test_each_kind_of_job_is_done_in_its_order_all_of_them() -> None:
    thread, most = Kinds(), JobThread.GROUP_COST
    costs = [most / 7, most / 3, most * 2, 1.0] * 5
    jobs = [(append if number % 3 else call)(f"{number}", cost=cost) for number, cost in enumerate(costs)]
    for job in jobs:
        thread.post(job)
    thread.start()
    await thread.stop()
    done = [int(name) for group in thread.groups for name in group]
    assert [number for number in done if number % 3] == [number for number in range(20) if number % 3]
    assert [number for number in done if not number % 3] == list(range(0, 20, 3))


@pytest.mark.anyio
async def test_what_is_patient_waits_for_company_and_for_the_end() -> None:
    thread = Notes()
    patient: PatientCall[None] = PatientCall(lambda notes: notes.append("a"))
    thread.COMPANY_WITHIN = 60.0
    thread.start()
    for text in "AB":
        thread.post(patient)
        await thread.run(note(text))
    thread.post(patient)
    await thread.stop()
    assert thread.notes == ["begin", "a", "A", "a", "B", "a", "end"]
    assert thread.groups == [2, 2, 1]


@pytest.mark.anyio
async def test_what_is_patient_is_not_for_ever_so() -> None:
    thread = Notes()
    thread.start()
    await thread.run(PatientCall(lambda notes: notes.append("a")))
    await thread.run(note("b"))
    await thread.stop()
    assert thread.groups == [1, 1]


@pytest.mark.anyio
async def test_what_is_queued_at_the_end_is_done() -> None:
    thread = Notes()
    for text in "abc":
        thread.post(note(text))
    thread.start()
    await thread.stop()
    await thread.stop()
    assert thread.notes == ["begin", "a", "b", "c", "end"]


@pytest.mark.anyio
async def test_stopping_what_never_began_is_nothing() -> None:
    thread = Notes()
    await thread.stop()
    assert thread.notes == []


@pytest.mark.anyio
async def test_a_job_withdrawn_before_its_turn_is_not_done() -> None:
    thread = Notes()
    job = note("a")
    thread.post(job)
    thread._withdraw(job)
    thread.start()
    await thread.stop()
    assert thread.notes == ["begin", "end"]


@pytest.mark.anyio
async def test_a_result_that_nobody_took_is_undone() -> None:
    """The task is cancelled after it was woken, but before it runs again."""
    thread = Notes()
    thread.start()
    job = note("a")
    await thread.run(job)
    thread._withdraw(job)
    await thread.run(note("b"))
    await thread.stop()
    assert thread.notes == ["begin", "a", "not a", "b", "end"]


@pytest.mark.anyio
async def test_a_job_cancelled_at_once_is_done_and_undone_or_neither() -> None:
    thread = Notes()
    thread.start()
    for pause in range(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(thread.run, note(str(pause)))
            for _ in range(pause):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    await thread.run(note("last"))
    await thread.stop()
    for pause in range(20):
        assert thread.notes.count(f"not {pause}") <= thread.notes.count(str(pause)) <= 1
