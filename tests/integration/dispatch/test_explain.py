"""Why, asked over gRPC of a router that runs, which goes on working meanwhile."""

import asyncio
import signal
from typing import Any

import grpc
import pytest
from centralita.dispatch.v1 import explain_service_pb2 as api
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode

from services.dispatch.adapters import asking
from services.dispatch.domain.errors import Busy, TooLong
from services.dispatch.use_cases.explain import Question
from tests.integration.dispatch.centre import Centre, refusal


async def explained(desk: Centre, task_id: str, **point: Any) -> api.ExplainTaskResponse:
    request = api.ExplainTaskRequest(task_id=task_id, **point)
    response: api.ExplainTaskResponse = await desk.explain("boss", request, "supervisor")
    return response


async def test_a_supervisor_learns_why_an_offer_went_where_it_went(desk: Centre) -> None:
    # Longer than a slow machine takes to explain three times.
    await desk.queue(seconds=600, ask_again_after=Duration(seconds=600))
    for agent_id in ("ana", "bo"):
        await desk.works(agent_id)
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    it = await explained(desk, "c-1")
    assert (it.standing, it.agent_id, it.chosen_id) == (api.STANDING_OFFERED, "ana", "ana")
    assert [one.agent_id for one in it.candidates] == ["ana", "bo"]
    assert it.tie_break == api.TIE_BREAK_IDLE_LONGEST
    assert it.record
    assert len(it.record_hash) == 16
    await desk.decline("ana", "c-1")
    await desk.heard("TaskOffered", "c-1", "bo")
    assert await explained(desk, "c-1", offered_to="ana") == it
    second = await explained(desk, "c-1")
    removed = {one.agent_id: one.removed_by for one in second.candidates}
    assert removed["ana"] == api.CANDIDATE_FILTER_EXCLUDED
    assert second.agent_id == second.chosen_id == "bo"


async def test_a_supervisor_learns_why_nobody_got_it(desk: Centre) -> None:
    await desk.works("ana")
    await desk.works("bo", receive_new=False)
    await desk.opens("c-1")
    await desk.heard("TaskOffered", "c-1", "ana")
    await desk.opens("c-2")
    await desk.heard("TaskQueued", "c-2")
    it = await explained(desk, "c-2")
    assert (it.standing, it.agent_id, it.chosen_id) == (api.STANDING_WAITING, "", "")
    assert {one.agent_id: one.removed_by for one in it.candidates} == {
        "ana": api.CANDIDATE_FILTER_NO_CAPACITY,
        "bo": api.CANDIDATE_FILTER_NOT_RECEIVING,
    }
    (why_not_bo,) = (await explained(desk, "c-2", agent_id="bo")).candidates
    assert why_not_bo.removed_by == api.CANDIDATE_FILTER_NOT_RECEIVING


@pytest.mark.parametrize(
    ("request_of", "told"),
    [
        ({"task_id": "c-9"}, (StatusCode.NOT_FOUND, "TASK_NOT_FOUND")),
        ({"task_id": "not a token"}, (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")),
    ],
)
async def test_what_cannot_be_explained_is_said(
    desk: Centre, request_of: dict[str, Any], told: tuple[grpc.StatusCode, str]
) -> None:
    request = api.ExplainTaskRequest(**request_of)
    assert await refusal(desk.explain("boss", request, "supervisor")) == told


async def test_an_agent_is_not_told(desk: Centre) -> None:
    request = api.ExplainTaskRequest(task_id="c-1")
    assert await refusal(desk.explain("ana", request, "agent")) == (
        StatusCode.PERMISSION_DENIED,
        "ROLE_TOO_LOW",
    )


async def test_who_reads_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def seen(*command: str, **more: Any) -> asyncio.subprocess.Process:
        started.append(await start(*command, **more))
        return started[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", seen)
    monkeypatch.setattr(asking, "LONGEST_S", 0.5 - asking._START_S)
    nowhere = asking.ExplainElsewhere("nats://127.0.0.1:1", 1)
    with pytest.raises(TooLong):
        await nowhere(Question("acme", "t-1"))
    assert [it.returncode for it in started] == [-signal.SIGKILL]


async def test_a_second_question_of_a_tenant_is_asked_to_come_again() -> None:
    nowhere = asking.ExplainElsewhere("nats://127.0.0.1:1", 1)
    first = asyncio.ensure_future(nowhere(Question("acme", "t1")))
    await asyncio.sleep(0)  # it has its turn
    with pytest.raises(Busy) as busy:
        await nowhere(Question("acme", "t2"))
    assert busy.value.reason == "EXPLANATION_RUNNING"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
