"""A group rings at the desks of all its members, and one of them has the task."""

import grpc
import pytest
from centralita.directory.v1 import directory_service_pb2 as directory
from centralita.directory.v1 import resources_pb2 as resources
from centralita.dispatch.v1 import dispatch_service_pb2 as dispatch
from centralita.workspace.v1.resources_pb2 import CARD_STATE_ASSIGNED

from services.kernel.answers import reason_of
from tests.e2e.people import Edge, User, desk, refusal, some, until

pytestmark = pytest.mark.timeout(60)


async def test_a_group_rings_at_two_desks_one_accepts_and_the_other_is_told(edge: Edge) -> None:
    async with desk(edge, agents=2) as it:
        ana, bo = it.agents
        async with ana.at_work(), bo.at_work():
            task_id = await _call_a_group(it.owner, ana.id, bo.id)
            assert (await ana.offer()).conversation_id == task_id
            assert (await bo.offer()).conversation_id == task_id

            await bo.accept(task_id)

            await bo.card(CARD_STATE_ASSIGNED, task_id)
            await until(lambda: task_id not in ana.view or None)
            late = await refusal(ana.accept(task_id))
            assert late == (grpc.StatusCode.FAILED_PRECONDITION, "OFFER_NOT_YOURS")


async def test_who_declines_is_left_alone_while_it_rings_on_at_the_other(edge: Edge) -> None:
    async with desk(edge, agents=2) as it:
        ana, bo = it.agents
        async with ana.at_work(), bo.at_work():
            task_id = await _call_a_group(it.owner, ana.id, bo.id)
            await ana.offer()
            await bo.offer()

            await ana.decline(task_id)

            await until(lambda: task_id not in ana.view or None)
            assert (await bo.offer()).conversation_id == task_id
            await bo.accept(task_id)


async def _call_a_group(owner: User, *user_ids: str) -> str:
    """Have something ring at a new group, as soon as the router has heard of it."""
    group = resources.Group(group_id=some("group"), display_name="Group", user_ids=user_ids)
    await owner.directory.PutGroup(directory.PutGroupRequest(group=group), metadata=owner.metadata)
    task_id = some("task")
    for _ in range(500):
        request = dispatch.SubmitTaskRequest(
            task_id=task_id, group_id=group.group_id, request_id=some("r")
        )
        try:
            await owner.dispatch.SubmitTask(request, metadata=owner.metadata)
        except grpc.aio.AioRpcError as no:
            if reason_of(no) != "GROUP_NOT_FOUND":
                raise
        else:
            return task_id
    raise AssertionError("the router has not heard of the group")
