"""A client that does not read fills its own buffer and nothing else."""

import asyncio
from typing import Any

import grpc
import pytest
from centralita.workspace.v1.workspace_service_pb2 import WatchRequest
from centralita.workspace.v1.workspace_service_pb2_grpc import (
    WorkspaceServiceStub,
    add_WorkspaceServiceServicer_to_server,
)

from services.kernel.answers import reason_of
from services.kernel.serve import Exposed, serving
from services.workspace.domain.board import Board
from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.frames import CardChange
from services.workspace.grpc_api import CODES, WorkspaceApi
from services.workspace.use_cases.list_cards import ListCards
from services.workspace.use_cases.live import Live
from services.workspace.use_cases.watch import Watch
from tests.tokens import Issuer, bearer

NARROW = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
OTHER = [("grpc.use_local_subchannel_pool", 1)]
HELD = Standing(CardState.ASSIGNED, "sales", "ana")


class Stream:
    async def last(self) -> int:
        return 1_000_000


async def read_all(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass


async def test_a_slow_client_is_told_to_come_again_and_the_others_go_on() -> None:
    issuer = Issuer()
    live = Live(replay=1_000_000, buffer=500, now=asyncio.get_running_loop().time)
    live.begin(0, Board())
    api = WorkspaceApi(ListCards(live), Watch(live, Stream()), live)
    exposed = [Exposed(add_WorkspaceServiceServicer_to_server, api)]
    token = bearer(issuer.user())
    async with (
        serving("127.0.0.1:0", exposed, guard=issuer.guard(), codes=CODES) as address,
        grpc.aio.insecure_channel(address, options=NARROW) as slow_channel,
        grpc.aio.insecure_channel(address, options=OTHER) as fast_channel,
    ):
        slow = WorkspaceServiceStub(slow_channel).Watch(WatchRequest(), metadata=token)
        fast = WorkspaceServiceStub(fast_channel).Watch(WatchRequest(), metadata=token)
        await slow.read()
        await fast.read()
        for position in range(1, 3001):
            card = Card("acme", "v-1", HELD, contact_id="c" * 2000, revision=position)
            live.receive([CardChange(position, card, HELD if position > 1 else None)], position)
            assert await fast.read() is not grpc.aio.EOF
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await read_all(slow)
        fast.cancel()

    assert ended.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(ended.value) == "SLOW_CONSUMER"
