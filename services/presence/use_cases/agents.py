"""Everything that changes a presence goes through here: load, decide, save."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.presence.domain import bans
from services.presence.domain.errors import CustomStatusUnknown, Refusal, Stale, StatusInvalid
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.domain.status import CHOICES, Badge, Cause, Channel, Stage, Status

from .ports import Policies, Presences


class Agents:
    def __init__(
        self, presences: Presences, policies: Policies, clock: Clock, keep_choice: timedelta
    ) -> None:
        self._presences, self._policies = presences, policies
        self._clock = clock
        self._keep_choice = keep_choice

    def connected(self, user: Key) -> Presence | None:
        """Return the presence, at no cost, of an agent who is known to be connected."""
        known = self._presences.recalled(user)
        return known if known is not None and known.connected else None

    async def connect(self, user: Key, user_version: int = 0) -> Presence:
        return await self._change(
            user, lambda it: it.connect(self._clock(), self._keep_choice, user_version)
        )

    async def end(self, user: Key, user_version: int) -> Presence:
        """The user was removed with this version."""
        return await self._read_and_change(user, lambda it: it.end(self._clock(), user_version))

    async def disconnect(self, user: Key, cause: Cause) -> Presence:
        return await self._change(user, lambda it: it.disconnect(self._clock(), cause))

    async def choose(self, user: Key, chosen: Badge, *, by: str = "") -> Presence:
        """Choose a status for oneself, or as the supervisor `by` for a colleague.

        Raises StatusInvalid, CustomStatusUnknown and what Presence.choose does.
        """
        await self._insist_on_choice(user[0], chosen)
        return await self._change(user, lambda it: it.choose(self._clock(), chosen, by=by))

    async def want(self, user: Key, channels: frozenset[Channel]) -> Presence:
        """Want new work of these channels only."""
        return await self._change(user, lambda it: it.want(self._clock(), channels))

    async def work(self, user: Key, stage: Stage, cause: Cause = Cause.WORK) -> Presence:
        return await self._change(user, lambda it: it.work(self._clock(), stage, cause))

    async def accept(self, user: Key) -> Presence:
        return await self._change(user, lambda it: it.accept(self._clock()))

    async def refuse(
        self, refusal: bans.Refusal, user: Key, stage: Stage | None = None
    ) -> Presence:
        """The agent let an offer pass; that of a call brings the stage it leaves them in."""
        policy = self._policies.of(user[0])
        return await self._change(
            user,
            lambda it: it.refuse(
                self._clock(), it.stage if stage is None else stage, refusal, policy
            ),
        )

    async def cool_down(self, user: Key) -> Presence:
        return await self._change(user, lambda it: it.cool_down(self._clock()))

    async def _change(self, user: Key, decide: Callable[[Presence], Presence]) -> Presence:
        """Decide on what this process remembers, which the store confirms or not when it saves.

        What changes nothing has nothing to be confirmed by, so it is decided on what is read.
        """
        known = self._presences.recalled(user)
        if known is not None:
            with suppress(Refusal, Stale):
                after = decide(known)
                if after is not known:
                    await self._presences.save(known, after)
                    return after
        return await self._read_and_change(user, decide)

    @again_if(Stale)
    async def _read_and_change(self, user: Key, decide: Callable[[Presence], Presence]) -> Presence:
        before = await self._presences.read(user) or Presence(*user)
        after = decide(before)
        if after is not before:
            await self._presences.save(before, after)
        return after

    async def _insist_on_choice(self, tenant_id: str, chosen: Badge) -> None:
        custom = chosen.status is Status.CUSTOM
        if chosen.status not in CHOICES or custom != bool(chosen.custom_status_id):
            raise StatusInvalid("Choose Online, Ready, Dnd, or a status of your own by its id.")
        if custom and not self._has(tenant_id, chosen.custom_status_id):
            await self._policies.renew(tenant_id)
            if not self._has(tenant_id, chosen.custom_status_id):
                raise CustomStatusUnknown("Choose a status that the policy has.")

    def _has(self, tenant_id: str, custom_status_id: str) -> bool:
        return custom_status_id in self._policies.of(tenant_id).custom_status_ids
