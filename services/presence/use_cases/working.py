"""What dispatch tells of work: calls show on the badge, refusals count."""

from collections.abc import Awaitable, Callable
from functools import partial

from services.kernel.again import again_if
from services.presence.domain.bans import Refusal
from services.presence.domain.calls import Call
from services.presence.domain.errors import Stale
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.domain.status import Cause, Stage

from .agents import Agents
from .ports import Calls, Policies

Fold = Callable[[Call], Call]


class FollowCalls:
    """Folds one event of a call, and shows whom it moved.

    Safe in any order and any number of times: the call takes each word by its revision, and what
    an agent shows is read from the calls as they stand.
    """

    def __init__(self, agents: Agents, calls: Calls) -> None:
        self._agents, self._calls = agents, calls

    async def __call__(self, task: Key, fold: Fold) -> None:
        for agent_id in await self._fold(task, fold):
            await self._show((task[0], agent_id), self._agents.work)

    async def rings_no_more(
        self, task: Key, agent_id: str, revision: int, why: Refusal | Cause
    ) -> None:
        """An offer ended: the agent let it pass, or it was none of their doing."""
        user = (task[0], agent_id)
        await self._fold(task, lambda it: it.rings_no_more(revision, agent_id))
        if isinstance(why, Refusal):
            await self._show(user, partial(self._agents.refuse, why))
        else:
            await self._show(user, partial(self._agents.work, cause=why))

    @again_if(Stale)
    async def _fold(self, task: Key, fold: Fold) -> frozenset[str]:
        before = await self._calls.read(task) or Call(*task)
        after = fold(before)
        if after is not before:
            await self._calls.save(before, after)
        return before.moved(after)

    async def _show(self, user: Key, show: Callable[[Key, Stage], Awaitable[Presence]]) -> None:
        """Show what the calls say, until they still say it afterwards: the last one is right."""
        stage = await self._calls.stage_of(user)
        await show(user, stage)
        while (now := await self._calls.stage_of(user)) is not stage:
            stage = now
            await self._agents.work(user, stage)


class CountRefusals:
    """Offers that were let pass, in a row."""

    def __init__(self, agents: Agents, policies: Policies) -> None:
        self._agents, self._policies = agents, policies

    async def accepted(self, user: Key) -> None:
        """Forgive. Where the first refusal bans, there is nothing to forgive."""
        if self._policies.of(user[0]).banned_after > 1:
            await self._agents.accept(user)

    async def refused(self, user: Key, refusal: Refusal) -> None:
        """Count one of work that does not show on the badge."""
        await self._agents.refuse(refusal, user)
