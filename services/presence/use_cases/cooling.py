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
        """End what is over; raises the first failure after all."""
        while users := await self._presences.cooled(self._clock(), AT_ONCE):
            failed: Exception | None = None
            for user in users:
                try:
                    await self._agents.cool_down(user)
                except Exception as trouble:  # noqa: BLE001 - raised below
                    failed = failed or trouble
            if failed is not None:
                raise failed
