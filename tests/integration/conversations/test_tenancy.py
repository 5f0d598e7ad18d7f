"""Two tenants whose customers, agents and requests have the same names."""

from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from centralita.conversations.v1.resources_pb2 import ConversationState
from grpc import StatusCode

from tests.integration.conversations.rig import Rig


async def not_found(call: Awaitable[Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is StatusCode.NOT_FOUND


async def test_what_one_tenant_does_with_the_same_names_is_not_the_other_s(rig: Rig) -> None:
    other = replace(rig, tenant=f"{rig.tenant}-x")
    mine, theirs = await rig.opened("p-1"), await other.opened("p-1")
    await rig.assigned(mine)
    await other.assigned(theirs)
    reply = await rig.reply(mine, "r-1", "from us")
    assert [it.text for it in await other.thread(theirs)] == ["hola"]
    assert (await other.reply(theirs, "r-1", "from them")).message_id != reply.message_id
    for call in (
        other.conversation(mine),
        other.thread(mine),
        other.reply(mine, "r-2"),
        other.close(mine),
    ):
        await not_found(call)
    # What is told of my conversation in another tenant's name is about none.
    await other.assigned(mine, "eve", revision=9)
    await rig.close(mine)
    assert (await rig.conversation(mine)).assignee_id == "ana"
    assert [it.text for it in await rig.thread(mine)] == ["hola", "from us"]
    open_still = await other.conversation(theirs)
    assert open_still.state == ConversationState.CONVERSATION_STATE_OPEN
    assert [it.text for it in await other.thread(theirs)] == ["hola", "from them"]
