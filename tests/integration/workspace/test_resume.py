"""A client that drops its stream and resumes, at any replica, sees every event once."""

import asyncio
import random

import pytest

from services.kernel.bus import Bus
from services.workspace.domain.frames import CardChange, Gone, Shown, frame
from services.workspace.domain.viewer import Role, Viewer
from services.workspace.messages import change
from tests.integration.workspace.rig import Client, Installation, Others, Replica, folded
from tests.streams import until


async def traffic(others: Others, chance: random.Random, steps: int) -> None:
    """Chats open, ring, are held by ana or by ben, are written in and end."""
    alive: list[str] = []
    for step in range(steps):
        if not alive or chance.random() < 0.3:
            alive.append(f"v-{step}")
            await others.opened(alive[-1])
            continue
        name = chance.choice(alive)
        match chance.randrange(6):
            case 0:
                await others.queued(name)
            case 1:
                await others.offered(name, chance.choice(["ana", "ben"]))
            case 2:
                await others.assigned(name, chance.choice(["ana", "ben"]))
            case 3:
                await others.closed(name)
                alive.remove(name)
            case _:
                await others.appended(name, step)
        await asyncio.sleep(chance.choice([0, 0, 0.002, 0.01]))


async def clumsy(
    client: Client, replicas: list[Replica], chance: random.Random, done: asyncio.Event
) -> None:
    """Watch, drop, wait a moment and resume somewhere else, until there is nothing more to see."""
    while not done.is_set():
        async with client.watching(chance.choice(replicas)):
            await asyncio.sleep(chance.random() * 0.06)
        await asyncio.sleep(chance.choice([0, 0, 0.01]))


async def told(bus: Bus) -> list[CardChange]:
    """Every change of a card, as the stream has it."""
    state = (await bus.js.stream_info("WORKSPACE")).state
    found: list[CardChange] = []
    for position in range(state.first_seq, state.last_seq + 1):
        message = await bus.js.get_msg("WORKSPACE", position)
        one = change(message.subject or "", position, message.data or b"", {})
        if isinstance(one, CardChange):
            found.append(one)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_dropping_anywhere_loses_and_repeats_nothing(
    rig: Installation, others: Others, bus: Bus, seed: int
) -> None:
    await others.user("ana", "sales")
    async with rig.replica() as one, rig.replica() as two:
        client = Client(one.token(others.tenant_id, "ana"))
        async with client.watching(one):
            await until(client.frames.__len__)
            await until(lambda: client.position)  # the user is known; from here on only changes
        done = asyncio.Event()
        dropping = asyncio.create_task(clumsy(client, [one, two], random.Random(seed), done))
        await traffic(others, random.Random(seed), 150)
        await folded(bus)
        await others.opened("the-end")
        await until(lambda: "the-end" in client.cards)
        done.set()
        await dropping
        fresh = Client(two.token(others.tenant_id, "ana"))
        async with fresh.watching(two):
            await until(lambda: client.cards == fresh.cards)

    assert await insist_on_each_event_once(client, others.tenant_id, bus) > 50


async def insist_on_each_event_once(client: Client, tenant_id: str, bus: Bus) -> int:
    """Compare what ana saw since the last snapshot with the stream; return how much that was."""
    viewer = Viewer(tenant_id, "ana", Role.AGENT, frozenset({"sales"}))
    since = max(
        frame.position for frame in client.frames if frame.WhichOneof("frame") == "snapshot"
    )
    changes = [frame(one, viewer) for one in await told(bus) if one.position > since]
    expected = [(it.position, named(it)) for it in changes if it is not None]
    seen = [
        (it.position, it.card.conversation_id or it.removed_conversation_id)
        for it in client.frames
        if it.position > since and it.WhichOneof("frame") != "alive"
    ]
    assert seen == expected
    return len(expected)


def named(it: Shown | Gone) -> str:
    return it.card.conversation_id if isinstance(it, Shown) else it.conversation_id
