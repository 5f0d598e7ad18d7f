"""Bans that end by themselves."""

from services.kernel.clock import Clock

from .agents import Agents
from .ports import Presences

AT_ONCE = 100


class EndBans:
    """Ends those whose moment has come.

    It stands in the agent's document, so any replica keeps it, also after a restart of all.
    """

    def __init__(self, agents: Agents, presences: Presences, clock: Clock) -> None:
        self._agents, self._presences, self._clock = agents, presences, clock

    async def sweep(self) -> None:
        while users := await self._presences.cooled(self._clock(), AT_ONCE):
            for user in users:
                await self._agents.cool_down(user)
