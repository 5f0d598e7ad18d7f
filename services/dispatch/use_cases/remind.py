"""What a leader does about what was said while another version led: the router is told again.

A version passes over a fact of a kind that it does not know, and over what it does not know of a
fact that it does, and nobody says it a second time. So whoever begins to lead compares what the
directory says with what the router knows.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from services.dispatch.domain.configuration import Configuration, is_news, known
from services.dispatch.domain.inputs import TenantConfigured
from services.dispatch.domain.state import State
from services.dispatch.domain.tenant import Tenant
from services.kernel.ending import beside

from .ports import Directory, Intake, Shard, Unknown

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
                    if is_missed(state, fact):
                        # Under no id: the first time may be so recent that this were a repetition.
                        await self._intake.append(fact, dedup_id="")
                        told += 1
                await asyncio.sleep(0)  # this process leads, and perhaps another shard, too
        return told


def is_missed(state: State, fact: Configuration) -> bool:
    """Say whether it would change what the router knows; not that somebody unknown is removed."""
    tenant = state.tenants.get(fact.tenant_id) or Tenant(fact.tenant_id)
    removed = not isinstance(fact, TenantConfigured) and fact.removed
    return is_news(tenant, fact) and not (removed and known(tenant, fact) is None)
