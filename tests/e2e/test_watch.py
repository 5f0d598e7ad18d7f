"""A client that loses its stream and comes back sees every event once."""

import asyncio
import random

import pytest
from centralita.workspace.v1 import workspace_service_pb2 as workspace
from centralita.workspace.v1.resources_pb2 import CARD_STATE_ASSIGNED, Card

from tests.e2e.people import Agent, Edge, apply, desk, until

pytestmark = pytest.mark.timeout(60)


async def test_a_client_that_drops_its_stream_sees_every_event_once(edge: Edge) -> None:
    rng = random.Random(20261122)
    async with desk(edge, capacity=50) as it, it.agents[0].at_work() as ana:
        dropping: list[workspace.WatchResponse] = []
        stop = asyncio.Event()
        client = asyncio.create_task(_watch_and_drop(ana, dropping, stop, rng))
        await until(lambda: dropping or None)
        for number in range(12):
            it.customer.address = f"customer-{number}"
            await it.customer.write(f"message {number}")
            offer = await ana.offer()
            await ana.accept(offer.conversation_id)
            await ana.card(CARD_STATE_ASSIGNED, offer.conversation_id)
            if number % 2:
                await ana.close(offer.conversation_id)
        last = await _settled(ana)
        await until(lambda: _position(dropping) >= last or None)
        stop.set()
        await client

        steady = _changes(ana.frames, after=dropping[0].position)
        assert _changes(dropping, after=dropping[0].position) == steady
        view: dict[str, Card] = {}
        for frame in dropping:
            apply(frame, view)
        assert view == ana.view


async def _watch_and_drop(
    agent: Agent, frames: list[workspace.WatchResponse], stop: asyncio.Event, rng: random.Random
) -> None:
    """Watch, hang up after a few frames, come back with the last position, again and again."""
    while not stop.is_set():
        request = workspace.WatchRequest(position=_position(frames))
        call = agent.workspace.Watch(request, metadata=agent.metadata)
        patience = rng.uniform(0.0, 0.4)
        try:
            async with asyncio.timeout(patience if frames else 10):
                async for frame in call:
                    if frames:
                        assert frame.previous_position == frames[-1].position
                    frames.append(frame)
                    if len(frames) == 1:
                        break
        except TimeoutError:
            pass
        finally:
            call.cancel()


async def _settled(agent: Agent) -> int:
    """Return the last position once nothing has come for a moment."""
    seen = -1
    while seen != len(agent.frames):
        seen = len(agent.frames)
        await asyncio.sleep(0.5)
    # A sign of life names a position too, and other desks' changes may lie behind it.
    return _position([one for one in agent.frames if one.WhichOneof("frame") != "alive"])


def _position(frames: list[workspace.WatchResponse]) -> int:
    return frames[-1].position if frames else 0


def _changes(frames: list[workspace.WatchResponse], after: int) -> list[tuple[int, str, int, str]]:
    return [
        (
            frame.position,
            frame.card.conversation_id,
            frame.card.revision,
            frame.removed_conversation_id,
        )
        for frame in frames
        if frame.position > after
        and frame.WhichOneof("frame") in {"card", "removed_conversation_id"}
    ]
