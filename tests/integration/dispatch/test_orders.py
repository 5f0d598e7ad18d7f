"""What services and supervisors order, over gRPC with real tokens, and what is heard of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from centralita.directory.v1.events_pb2 import PresencePolicyChanged
from centralita.directory.v1.resources_pb2 import Capacity, PresencePolicy, SkillNeed
from centralita.dispatch.v1 import dispatch_service_pb2 as api
from centralita.dispatch.v1.events_pb2 import (
    QUEUE_MODE_DRAINING,
    QUEUE_MODE_OPEN,
    QUEUE_MODE_PAUSED,
)
from grpc import StatusCode

from services.kernel import projection
from services.kernel.answers import reason_of
from services.kernel.bus import Bus
from services.kernel.ids import new_id
from tests.integration.dispatch.centre import Asked, Centre, refusal
from tests.servicers import refused
from tests.streams import until


def call(desk: Centre, task_id: str, group_id: str = "", queue_id: str = "") -> Asked:
    task = api.SubmitTaskRequest(
        task_id=task_id, group_id=group_id, queue_id=queue_id, request_id=new_id()
    )
    request = api.SubmitForTenantRequest(tenant_id=desk.tenant, task=task)
    return desk.ask("SubmitForTenant", request)


async def test_a_call_rings_at_a_whole_group_and_one_has_it(desk: Centre) -> None:
    for agent in ("ana", "bo", "cyd"):
        await desk.works(agent)
    await desk.group("desk", "ana", "bo", "cyd")
    await _known(desk, "c-1", group_id="desk")
    for agent in ("ana", "bo", "cyd"):
        await desk.heard("TaskOffered", "c-1", agent)
    unreachable = api.ReportUnreachableRequest(
        tenant_id=desk.tenant, task_id="c-1", agent_id="cyd", request_id=new_id()
    )
    await desk.ask("ReportUnreachable", unreachable)
    await desk.heard("OfferEnded", "c-1", "cyd")
    await desk.accept("bo", "c-1")
    await desk.heard("OfferEnded", "c-1", "ana")
    await desk.heard("TaskAssigned", "c-1", "bo")
    assert (await refusal(desk.accept("ana", "c-1")))[1] == "OFFER_NOT_YOURS"
    await desk.audited()


async def test_what_was_put_a_moment_ago_can_be_used_at_once(desk: Centre, bus: Bus) -> None:
    """The router's own consumers stand still, as when it is busy; the stream has what was put."""
    await _stand_still(bus, "dispatch-configure-queue", "dispatch-configure-agent")
    await desk.queue("fresh")
    pause = api.SetQueueModeRequest(queue_id="fresh", mode=QUEUE_MODE_PAUSED, request_id=new_id())
    for _ in range(2):  # repeated, it is answered alike
        await desk.ask("SetQueueMode", pause, "mia")
    await desk.works("new", receive_new=False)
    await desk.queue("sales")
    await desk.opens("c-1")
    await desk.heard("TaskQueued", "c-1")
    await until_assigned(desk, "c-1", "new")
    await desk.queue("asked-about")
    asked = api.GetQueueStatusRequest(queue_id="asked-about")
    assert (await desk.ask("GetQueueStatus", asked, "mia")).open
    asked.queue_id = "never"
    assert (await refusal(desk.ask("GetQueueStatus", asked, "mia")))[1] == "QUEUE_NOT_FOUND"
    unknown = api.SetQueueModeRequest(queue_id="never", mode=QUEUE_MODE_OPEN, request_id=new_id())
    assert (await refusal(desk.ask("SetQueueMode", unknown, "mia")))[1] == "QUEUE_NOT_FOUND"


CONFIGURE = [f"dispatch-configure-{noun}" for noun in ("queue", "group", "agent", "tenant")]


async def _full_with(desk: Centre, **capacity: Any) -> None:
    """Have a task in ana's queue for which she has no room, and let what is put now be late."""
    await desk.queue()
    await desk.puts("ana", **capacity)
    await desk.seen("ana", connected=True, receive_new=False)
    for task in ("c-1", "c-2"):
        await desk.opens(task)
        await desk.heard("TaskQueued", task)
    await until_assigned(desk, "c-1", "ana")


async def test_room_that_was_made_a_moment_ago_can_be_used_at_once(desk: Centre, bus: Bus) -> None:
    await _full_with(desk, capacity=Capacity(chats=1))
    await _stand_still(bus, *CONFIGURE)
    await desk.puts("ana", capacity=Capacity(chats=2))
    await desk.assign("mia", "c-2", "ana", role="manager")
    await desk.audited()


async def test_room_that_the_policy_made_a_moment_ago_can_be_used_at_once(
    desk: Centre, bus: Bus
) -> None:
    await _full_with(desk, capacity=Capacity(chats=1))
    await _stand_still(bus, *CONFIGURE)
    await desk.puts("ana")
    policy = PresencePolicy(chat_capacity=2)
    await desk.tell(PresencePolicyChanged(tenant_id=desk.tenant, version=1, policy=policy))
    await desk.assign("mia", "c-2", "ana", role="manager")
    await desk.audited()


async def test_a_channel_that_was_switched_on_a_moment_ago_can_be_used_at_once(
    desk: Centre, bus: Bus
) -> None:
    await desk.queue()
    await desk.puts("ana", capacity=Capacity(chats=0))
    await desk.seen("ana", connected=True, receive_new=False)
    await desk.opens("c-1")
    await desk.heard("TaskQueued", "c-1")
    await _stand_still(bus, *CONFIGURE)
    await desk.puts("ana", capacity=Capacity(chats=1))
    await until_assigned(desk, "c-1", "ana")
    await desk.audited()


async def test_who_was_put_into_the_group_of_a_task_a_moment_ago_can_take_it_at_once(
    desk: Centre, bus: Bus
) -> None:
    """The command names no group: nobody looked up what was said of it."""
    await desk.puts("ana", queue_ids=[])
    await desk.seen("ana", connected=True, receive_new=False)
    await desk.group("desk", "bo")
    await _known(desk, "c-1", group_id="desk")
    await _stand_still(bus, *CONFIGURE)
    await desk.group("desk", "bo", "ana")
    await desk.assign("ana", "c-1", "ana")
    await desk.audited()


async def test_what_was_done_at_the_second_look_is_not_told_as_refused_later(
    desk: Centre, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer got lost, and the same request came again when the news was none any more."""
    await _stand_still(bus, *CONFIGURE)
    await desk.queue("fresh")
    pause = api.SetQueueModeRequest(queue_id="fresh", mode=QUEUE_MODE_PAUSED, request_id=new_id())
    await desk.ask("SetQueueMode", pause, "mia")
    monkeypatch.setattr(projection, "RECENT", timedelta(0))
    await desk.ask("SetQueueMode", pause, "mia")
    await desk.audited()


async def until_assigned(desk: Centre, task_id: str, agent_id: str) -> None:
    """Assign as soon as the agent's presence, which no directory tells, is known."""

    async def assigned() -> bool:
        try:
            await desk.assign("mia", task_id, agent_id, role="manager")
        except grpc.aio.AioRpcError as no:
            if reason_of(no) != "ASSIGNEE_NOT_CONNECTED":
                raise
            return False
        return True

    await until(assigned)


async def _stand_still(bus: Bus, *durables: str) -> None:
    until_then = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
    order = json.dumps({"pause_until": until_then}).encode()
    for durable in durables:
        subject = f"$JS.API.CONSUMER.PAUSE.DIRECTORY.{durable}"
        told = json.loads((await bus.nc.request(subject, order, timeout=2)).data)
        assert told["paused"], told


async def test_a_queue_is_paused_moved_and_opened_and_all_of_it_is_audited(desk: Centre) -> None:
    for queue_id in ("sales", "support"):
        await desk.queue(queue_id)
    await desk.works("ana")
    await _known(desk, "c-0", queue_id="support")
    paused = api.SetQueueModeRequest(queue_id="sales", mode=QUEUE_MODE_PAUSED, request_id=new_id())
    await desk.ask("SetQueueMode", paused, "mia")
    await desk.heard("SupervisorActed", "sales", "mia")
    await desk.opens("c-1")
    await desk.heard("TaskQueued", "c-1")
    asked = api.GetQueueStatusRequest(queue_id="sales")
    status = await desk.ask("GetQueueStatus", asked, "mia")
    assert (status.mode, status.open, status.waiting) == (QUEUE_MODE_PAUSED, True, 1)
    assert (status.agents_there, status.HasField("first_since")) == (1, True)
    move = api.MoveTasksRequest(queue_id="support", target_queue_id="sales", request_id=new_id())
    assert (await desk.ask("MoveTasks", move, "mia")).moved == 1
    assert (await desk.ask("MoveTasks", move, "mia")).moved == 1  # the same request, answered alike
    opened = api.SetQueueModeRequest(queue_id="sales", mode=QUEUE_MODE_OPEN, request_id=new_id())
    await desk.ask("SetQueueMode", opened, "mia")
    await desk.heard("TaskOffered", "c-0", "ana")
    status = await desk.ask("GetQueueStatus", asked, "mia")
    assert (status.mode, status.waiting) == (QUEUE_MODE_OPEN, 1)
    await desk.audited()


async def test_who_has_no_say_is_told_so(desk: Centre) -> None:
    await desk.queue("sales")
    await _known(desk, "c-1", queue_id="sales")
    drain = api.SetQueueModeRequest(queue_id="sales", mode=QUEUE_MODE_DRAINING, request_id=new_id())
    denied = StatusCode.PERMISSION_DENIED
    asked = desk.ask("SetQueueMode", drain, "ana", "supervisor")
    assert await refusal(asked) == (denied, "QUEUE_NOT_YOURS")
    assert await refusal(desk.ask("SetQueueMode", drain, "ana", "agent")) == (
        denied,
        "ROLE_TOO_LOW",
    )
    look = api.GetQueueStatusRequest(queue_id="sales")
    asked = desk.ask("GetQueueStatus", look, "ana", "supervisor")
    assert await refusal(asked) == (denied, "QUEUE_NOT_YOURS")
    look = api.GetQueueStatusRequest(queue_id="mistyped")
    missing = (StatusCode.NOT_FOUND, "QUEUE_NOT_FOUND")
    assert await refusal(desk.ask("GetQueueStatus", look, "mia")) == missing
    cancel = api.CancelTaskRequest(task_id="c-1", request_id=new_id())
    await desk.ask("CancelTask", cancel, "mia")
    await desk.heard("TaskCancelled", "c-1")
    assert await refusal(call(desk, "c-2", queue_id="mistyped")) == (
        StatusCode.NOT_FOUND,
        "QUEUE_NOT_FOUND",
    )
    assert (await refusal(call(desk, "c.2", queue_id="sales")))[1] == "TASK_ID_INVALID"
    assert (await refusal(call(desk, "c-2")))[1] == "DESTINATION_INVALID"
    assert (await refusal(call(desk, "c-2", "desk", "sales")))[1] == "DESTINATION_INVALID"


async def test_what_is_out_of_bounds_is_refused_and_what_is_at_the_bounds_is_not(
    desk: Centre,
) -> None:
    await desk.queue("sales")
    await _known(desk, "c-1", queue_id="sales")
    longest = "x" * 64
    levels = [SkillNeed(skill_id=f"s{number}", level=5) for number in range(50)]
    bounds = {"contact_id": longest, "preferred_agent_id": longest, "priority": 100}
    await desk.ask("SubmitTask", submission(skills=levels, **bounds), "mia")
    for wrong, field in (
        ({"contact_id": longest + "x"}, "contact_id"),
        ({"contact_id": "kim@example.com"}, "contact_id"),
        ({"preferred_agent_id": "a.b"}, "preferred_agent_id"),
        ({"priority": 101}, "priority"),
        ({"channel": 9}, "channel"),
        ({"skills": [SkillNeed(skill_id="de", level=0)]}, "skills.level"),
        ({"skills": [SkillNeed(skill_id="de", level=6)]}, "skills.level"),
        ({"skills": [SkillNeed(skill_id="", level=1)]}, "skills.skill_id"),
        ({"skills": [SkillNeed(skill_id=longest + "x", level=1)]}, "skills.skill_id"),
        ({"skills": [SkillNeed(skill_id="de", level=1)] * 2}, "skills.skill_id"),
        ({"skills": [*levels, SkillNeed(skill_id="one-more", level=1)]}, "skills"),
    ):
        task = submission(**wrong)
        service = api.SubmitForTenantRequest(tenant_id=desk.tenant, task=task)
        for asked in (desk.ask("SubmitTask", task, "mia"), desk.ask("SubmitForTenant", service)):
            code, info = await refused(asked, "dispatch")
            assert (code, info.reason) == (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
            assert dict(info.metadata) == {"field": field}
    strange = api.MoveTasksRequest(
        queue_id="sales", target_queue_id="sales", task_ids=["c.1"], request_id=new_id()
    )
    asked = desk.ask("MoveTasks", strange, "mia")
    assert await refusal(asked) == (StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")


def submission(**fields: Any) -> api.SubmitTaskRequest:
    return api.SubmitTaskRequest(task_id=new_id(), queue_id="sales", request_id=new_id(), **fields)


async def _known(desk: Centre, task_id: str, *, group_id: str = "", queue_id: str = "") -> None:
    """Submit as soon as the router has heard of where to."""
    for _ in range(200):
        try:
            await call(desk, task_id, group_id, queue_id)
        except grpc.aio.AioRpcError as no:
            if reason_of(no) not in {"QUEUE_NOT_FOUND", "GROUP_NOT_FOUND"}:
                raise
        else:
            return
    raise AssertionError("the router has not heard of it")
