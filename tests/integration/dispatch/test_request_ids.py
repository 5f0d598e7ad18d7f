"""Another command under a known request_id is refused, at every method that takes one."""

from typing import Any

import grpc
import pytest

from tests.integration.dispatch.centre import Centre
from tests.request_ids import taken_for_the_first, taking_an_id
from tests.roles import MAY_CALL


@pytest.mark.parametrize("path", taking_an_id("dispatch"))
async def test_another_command_is_refused_and_the_first_is_answered_alike(
    desk: Centre, path: str
) -> None:
    user = "" if isinstance(MAY_CALL[path], set) else "boss"

    async def call(method: str, request: Any) -> None:
        if MAY_CALL[path] == {"directory"}:
            await desk.removal(method, request)
        else:
            await desk.ask(method, request, user)

    assert await taken_for_the_first(call, path, tenant_id=desk.tenant) == {}


async def test_who_took_one_task_is_not_told_that_they_took_another(desk: Centre) -> None:
    await desk.works("ana", capacity=2)
    for task_id in ("c-1", "c-2"):
        await desk.opens(task_id)
        await desk.heard("TaskOffered", task_id, "ana")
    await desk.accept("ana", "c-1", "r-1")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await desk.accept("ana", "c-2", "r-1")
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    await desk.accept("ana", "c-1", "r-1")
    await desk.accept("ana", "c-2", "r-2")
