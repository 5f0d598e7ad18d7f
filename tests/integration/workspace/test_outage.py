"""The bus is killed while the workspace writes: no card is lost or doubled, no event seen twice."""

import asyncio
import random
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field, replace

import grpc
import pytest
from centralita.conversations.v1.events_pb2 import (
    ConversationClosed,
    ConversationOpened,
    MessageAppended,
)
from centralita.dispatch.v1.events_pb2 import TaskAssigned, TaskOffered, TaskQueued
from google.protobuf.message import Message

from services.kernel.bus import BusUnavailable, connected
from services.kernel.ending import ended
from services.kernel.ids import new_id
from services.kernel.wire import outgoing
from services.workspace.domain.card import Card, CardState, Standing
from tests.integration.workspace.rig import NINE, Client, Others, Replica, folded, installation
from tests.integration.workspace.test_resume import insist_on_each_event_once, told, traffic
from tests.servers import NatsServer
from tests.streams import until

pytestmark = pytest.mark.timeout(120)  # what dies on its way comes again after 15 s

KILLS = 3


@dataclass
class Insistent(Others):
    """Says everything until the bus has it, and knows what follows from it."""

    cards: defaultdict[str, Card] = field(default_factory=lambda: defaultdict(lambda: Card("", "")))

    async def say(self, event: Message) -> None:
        message = outgoing(event, event_id=new_id(), at=NINE)
        while True:
            with suppress(BusUnavailable):
                await self.bus.publish(message)
                return self._note(event)

    def _note(self, event: Message) -> None:
        match event:
            case ConversationOpened():
                self._stands(event.conversation_id, CardState.WAITING, event.queue_id)
            case TaskQueued():
                self._stands(event.task_id, CardState.WAITING, event.queue_id)
            case TaskOffered():
                self._stands(event.task_id, CardState.OFFERED, event.queue_id, event.agent_id)
            case TaskAssigned():
                self._stands(event.task_id, CardState.ASSIGNED, event.queue_id, event.agent_id)
            case MessageAppended():
                known = self.cards[event.conversation_id]
                self.cards[event.conversation_id] = replace(known, message_count=event.arrival)
            case ConversationClosed():
                held = self.cards[event.conversation_id].standing
                self._stands(event.conversation_id, CardState.CLOSED, "sales", held.agent_id)

    def _stands(self, name: str, state: CardState, queue_id: str, agent_id: str = "") -> None:
        standing = Standing(state, queue_id, agent_id)
        self.cards[name] = replace(self.cards[name], standing=standing)


async def watching_on(client: Client, replicas: list[Replica], chance: random.Random) -> None:
    """Watch, be cut off or drop, and resume anywhere, for ever."""
    while True:
        with suppress(grpc.aio.AioRpcError):  # no answer while the bus is away
            async with client.watching(chance.choice(replicas)):
                await asyncio.sleep(chance.random() * 0.2)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
async def test_a_bus_that_dies_again_and_again_costs_no_card_and_no_event(
    private_nats: NatsServer, tenant: str, seed: int
) -> None:
    chance = random.Random(seed)
    async with (
        connected(private_nats.url, name="tests") as bus,
        installation(private_nats.url) as rig,
        rig.replica() as one,
        rig.replica() as two,
    ):
        others = Insistent(bus, tenant)
        await others.user("ana", "sales")
        ana, steady = (Client(one.token(tenant, "ana")) for _ in range(2))
        async with ana.watching(one):
            await until(lambda: ana.position)  # the user is known; from here on only changes
        async with asyncio.TaskGroup() as tasks, steady.watching(two):
            resuming = tasks.create_task(watching_on(ana, [one, two], chance))
            telling = tasks.create_task(traffic(others, chance, 200))
            for kill in range(1, KILLS + 1):
                await until(lambda: len(others.cards) > 10 * kill, within=20)  # noqa: B023 - at once
                private_nats.kill()
                await asyncio.sleep(chance.random() / 2)  # time in which all of them meet nobody
                await asyncio.to_thread(private_nats.start)
            await telling
            await others.opened("the-end")
            await until(lambda: "the-end" in ana.cards and "the-end" in steady.cards, within=20)
            await folded(bus, within=30)
            fresh = Client(two.token(tenant, "ana"))
            async with fresh.watching(two):
                await until(lambda: ana.cards == steady.cards == fresh.cards, within=20)
            await ended(resuming)  # a cancellation may get lost where a client hangs up

        changes = await told(bus)
        for name, card in others.cards.items():
            mine = [it.card for it in changes if it.card.conversation_id == name]
            assert [it.revision for it in mine] == list(range(1, len(mine) + 1))
            assert (mine[-1].standing, mine[-1].message_count) == (
                card.standing,
                card.message_count,
            )
        for client in (ana, steady):
            await insist_on_each_event_once(client, tenant, bus)
