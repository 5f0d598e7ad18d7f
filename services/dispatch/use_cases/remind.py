"""What a leader does about what was said while another version led: the router is told again.

A version passes over a fact of a kind that it does not know, and nobody says it a second time.
So whoever begins to lead compares what the directory says with what the router knows.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from services.dispatch.domain.inputs import AgentConfigured, GroupConfigured, QueueConfigured
from services.dispatch.domain.state import State
from services.kernel.ending import beside

from .ports import Configuration, Directory, Intake, Shard, Unknown

log = logging.getLogger(__name__)

BEGIN_AFTER_S = 2.0
"""Whoever takes a shard over has better things to do at first."""
AGAIN_AFTER_S = 5.0


class Remind:
    """Looks once a term, at one shard of this process after the other."""

    def __init__(self, directory: Directory, intake: Intake) -> None:
        self._directory = directory
        self._intake = intake
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self, shard: Shard, state: State) -> AsyncIterator[None]:
        async with beside(self._remind(shard, state)):
            yield

    async def _remind(self, shard: Shard, state: State) -> None:
        await asyncio.sleep(BEGIN_AFTER_S)
        while True:
            try:
                async with self._turn:
                    told = await self._compared(shard, state)
            except Unknown:
                log.warning(
                    "the directory cannot be compared; trying again", extra={"shard": shard}
                )
                await asyncio.sleep(AGAIN_AFTER_S)
            else:
                if told:
                    log.info(
                        "told again what was passed over", extra={"shard": shard, "facts": told}
                    )
                return

    async def _compared(self, shard: Shard, state: State) -> int:
        """Tell what is news, and return how much that is."""
        told = 0
        async with aclosing(self._directory.configuration(shard)) as configuration:
            async for facts in configuration:
                for fact in facts:
                    if is_news(state, fact):
                        # Under no id: the first time may be so recent that this were a repetition.
                        await self._intake.append(fact, dedup_id="")
                        told += 1
        return told


def is_news(state: State, fact: Configuration) -> bool:
    """Say whether the router does not know a fact that would change what it knows."""
    known = _known_version(state, fact)
    removed = not known and getattr(fact, "removed", False)
    return fact.version > known and not removed


def _known_version(state: State, fact: Configuration) -> int:
    """Return which version of what a fact is about the router knows; 0: none."""
    tenant = state.tenants.get(fact.tenant_id)
    if tenant is None:
        return 0
    known: Configuration | None
    match fact:
        case QueueConfigured():
            known = tenant.queues.get(fact.queue_id)
        case GroupConfigured():
            known = tenant.groups.configured.get(fact.group_id)
        case AgentConfigured():
            agent = tenant.agents.get(fact.agent_id)
            known = agent.config if agent is not None else None
        case _:
            known = tenant.settings
    return known.version if known is not None else 0
