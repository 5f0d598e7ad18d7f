"""What is removed while work is under way, over real gRPC: refused with counts, or moved first."""

from typing import Any

import pytest
from centralita.directory.v1.directory_service_pb2 import (
    DeleteChannelAccountRequest,
    DeleteGroupRequest,
    DeleteQueueRequest,
    GetChannelAccountRequest,
    GetQueueRequest,
    PutGroupRequest,
    PutQueueRequest,
    PutUserRequest,
)
from centralita.directory.v1.resources_pb2 import Group, Queue, User
from centralita.dispatch.v1.removal_service_pb2 import CountWorkRequest, VacateRequest
from centralita.options.v1.options_pb2 import ROLE_AGENT

from tests.integration.directory.installation import Installation, Refused, refusal
from tests.integration.directory.under_way import UnderWay


@pytest.fixture
async def adam(directory: Installation) -> Any:
    return (await directory.as_user("adam")).directory


async def queue(adam: Any, queue_id: str) -> Queue:
    found: Queue = (await adam.GetQueue(GetQueueRequest(queue_id=queue_id))).queue
    return found


COUNTS = {"waiting": "3", "ringing": "0", "inService": "0"}


async def test_a_queue_with_work_is_refused_with_counts_and_stays_as_it_was(
    adam: Any, under_way: UnderWay
) -> None:
    before, under_way.waiting = await queue(adam, "sales"), 3
    told = await refusal(adam.DeleteQueue(DeleteQueueRequest(queue_id="sales")))
    assert told == Refused("FAILED_PRECONDITION", "QUEUE_HAS_TASKS", COUNTS)
    assert await queue(adam, "sales") == before
    assert under_way.asked == [CountWorkRequest(tenant_id="demo", queue_id="sales")]
    assert under_way.callers == {"directory"}


async def test_its_work_is_moved_step_by_step_before_it_is_gone(
    adam: Any, under_way: UnderWay
) -> None:
    before, under_way.waiting = await queue(adam, "sales"), 3
    await adam.DeleteQueue(DeleteQueueRequest(queue_id="sales", move_to="support"))
    _, *steps = under_way.asked
    assert [type(it) for it in steps] == [VacateRequest] * 3
    assert len({it.request_id for it in steps}) == 3
    asked = {
        (it.tenant_id, it.queue_id, it.version, it.target_queue_id, it.actor_id) for it in steps
    }
    assert asked == {("demo", "sales", before.version + 1, "support", "adam")}
    told = await refusal(adam.GetQueue(GetQueueRequest(queue_id="sales")))
    assert told.reason == "QUEUE_NOT_FOUND"


async def test_a_group_with_work_is_refused_or_its_work_moved(
    adam: Any, under_way: UnderWay
) -> None:
    under_way.waiting = 3
    told = await refusal(adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk")))
    assert told == Refused("FAILED_PRECONDITION", "GROUP_HAS_TASKS", COUNTS)
    await adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk", move_to="sales"))
    assert under_way.asked[-1].group_id == "front-desk"
    assert under_way.waiting == 0


async def test_nothing_is_removed_while_nobody_says_what_is_under_way(
    adam: Any, under_way: UnderWay
) -> None:
    before, under_way.silent = await queue(adam, "sales"), True
    for call in (
        adam.DeleteQueue(DeleteQueueRequest(queue_id="sales")),
        adam.DeleteQueue(DeleteQueueRequest(queue_id="sales", move_to="support")),
        adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk")),
        adam.DeleteChannelAccount(DeleteChannelAccountRequest(channel_account_id="shop")),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE")
    assert await queue(adam, "sales") == before


async def test_work_is_moved_to_another_queue_of_the_tenant(adam: Any) -> None:
    for move_to, reason in (
        ("sales", "FIELD_INVALID"),
        ("acme-only", "QUEUE_NOT_FOUND"),
        ("a b", "FIELD_INVALID"),
    ):
        told = await refusal(
            adam.DeleteQueue(DeleteQueueRequest(queue_id="sales", move_to=move_to))
        )
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", reason)
        assert told.details["field"] == "move_to"


async def test_nothing_new_refers_to_what_is_being_removed_until_a_put_keeps_it(
    adam: Any, under_way: UnderWay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_off(request: Any, context: Any) -> None:
        under_way.silent = isinstance(request, VacateRequest)
        await UnderWay.hear(under_way, request, context)

    monkeypatch.setattr(under_way, "hear", broken_off)
    told = await refusal(adam.DeleteQueue(DeleteQueueRequest(queue_id="sales", move_to="support")))
    assert told.code == "UNAVAILABLE"
    marked = await queue(adam, "sales")
    assert marked.removing_to == "support"

    eva = User(
        user_id="eva",
        email="eva@demo.example",
        display_name="Eva",
        role=ROLE_AGENT,
        queue_ids=["sales"],
    )
    told = await refusal(adam.PutUser(PutUserRequest(user=eva)))
    assert (told.reason, told.details["queueId"]) == ("QUEUE_NOT_FOUND", "sales")
    told = await refusal(
        adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk", move_to="sales"))
    )
    assert (told.reason, told.details["field"]) == ("QUEUE_NOT_FOUND", "move_to")
    told = await refusal(adam.DeleteQueue(DeleteQueueRequest(queue_id="support")))
    assert told.reason == "IN_USE", "its work is about to come here"

    await adam.PutQueue(PutQueueRequest(queue=marked))
    assert not (await queue(adam, "sales")).removing_to
    await adam.PutUser(PutUserRequest(user=eva))


async def test_a_group_whose_removal_was_broken_off_can_be_seen(adam: Any) -> None:
    group = Group(group_id="night", display_name="Night", removing_to="sales")
    answer = await adam.PutGroup(PutGroupRequest(group=group))
    assert not answer.group.removing_to, "nobody sets it by hand"


async def test_a_channel_account_with_open_conversations_is_removed_only_if_they_are_left(
    adam: Any, under_way: UnderWay
) -> None:
    under_way.open = 7
    request = DeleteChannelAccountRequest(channel_account_id="shop")
    told = await refusal(adam.DeleteChannelAccount(request))
    assert told == Refused(
        "FAILED_PRECONDITION", "CHANNEL_ACCOUNT_HAS_CONVERSATIONS", {"open": "7"}
    )
    assert under_way.callers == {"directory"}
    request.leave_open = True
    await adam.DeleteChannelAccount(request)
    get = GetChannelAccountRequest(channel_account_id="shop")
    assert (await refusal(adam.GetChannelAccount(get))).reason == "CHANNEL_ACCOUNT_NOT_FOUND"
