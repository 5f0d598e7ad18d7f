"""Another request under a known request_id is refused, at every method that takes one."""

from typing import Any

import pytest

from tests.integration.conversations.rig import Rig
from tests.request_ids import taken_for_the_first, taking_an_id


@pytest.mark.parametrize("path", taking_an_id("conversations"))
async def test_another_request_is_refused_and_the_first_is_answered_alike(
    rig: Rig, path: str
) -> None:
    conversation_id = await rig.opened("p-1")
    await rig.assigned(conversation_id)

    async def call(method: str, request: Any) -> None:
        await getattr(rig.conversations, method)(request, metadata=rig.user())

    assert await taken_for_the_first(call, path, conversation_id=conversation_id) == {}
