"""Users: who exists, who may change them, and that an owner is always left."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from services.directory.domain import fields
from services.directory.domain.errors import InUse, LastOwner, Stale, UnknownQueue, UserNotFound
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.user import (
    Password,
    Role,
    User,
    ceases_to_own,
    check_password,
    may_change,
)
from services.kernel.again import again_if
from services.kernel.clock import Clock
from services.kernel.ids import new_id

from .ports import Passwords, References, Sessions, Shelf, Users, Word
from .shelves import filled

GIVEN_UP_AFTER = timedelta(seconds=10)
"""A change that holds an owner's word for longer is taken for dead."""


class PutUser:
    def __init__(
        self,
        users: Users,
        queues: Shelf[Queue],
        passwords: Passwords,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._users = users
        self._queues = queues
        self._passwords = passwords
        self._sessions = sessions
        self._clock = clock

    async def __call__(
        self, actor: Role, slot: Slot[User], password: str = "", *, version: int = 0
    ) -> Slot[User]:
        """Write the user of `slot`. An empty password leaves the one there is.

        A new one ends the sessions of before.
        """
        fields.slug("user.user_id", slot.id)
        if slot.value is None:
            raise ValueError("A user to put is needed.")
        user = slot.value.checked()
        if password:
            check_password(password)
        unknown = await self._queues.missing(slot.tenant_id, user.queue_ids)
        if unknown:
            raise UnknownQueue("Put the queue first.", field="user.queue_ids", queueId=unknown[0])
        before = await self._users.at(slot.tenant_id, slot.id)
        may_change(actor, before.value, user)  # before the expensive hash
        if password:
            user = replace(user, password=await self._kept(password))
        after = await self._put(actor, slot.holding(user), version)
        if password:
            await self._sessions.end_all(slot.tenant_id, slot.id)
        return after

    @again_if(Stale)
    async def _put(self, actor: Role, wanted: Slot[User], version: int) -> Slot[User]:
        before = await self._users.at(wanted.tenant_id, wanted.id)
        before.expecting(version)
        user = wanted.value
        if user is None:
            raise ValueError("A user to put is needed.")
        may_change(actor, before.value, user)
        if user.password is None and before.value is not None:
            user = replace(user, password=before.value.password)
        after = before.holding(user)
        return before if after == before else await _saved(self._users, before, after, self._clock)

    async def _kept(self, plain: str) -> Password:
        return Password(new_id(), await self._passwords.hash(plain))


class DeleteUser:
    def __init__(
        self, users: Users, references: References, sessions: Sessions, clock: Clock
    ) -> None:
        self._users = users
        self._references = references
        self._sessions = sessions
        self._clock = clock

    async def __call__(self, actor: Role, tenant_id: str, user_id: str) -> None:
        await self._remove(actor, tenant_id, fields.slug("user_id", user_id))
        await self._sessions.end_all(tenant_id, user_id)

    @again_if(Stale)
    async def _remove(self, actor: Role, tenant_id: str, user_id: str) -> None:
        before = filled(await self._users.at(tenant_id, user_id), UserNotFound)
        may_change(actor, before.value, None)
        user_of = await self._references.to_user(tenant_id, user_id)
        if user_of is not None:
            raise InUse("Take the user out of it first.", kind=user_of[0], id=user_of[1])
        await _saved(self._users, before, before.emptied(), self._clock)


async def _saved(users: Users, before: Slot[User], after: Slot[User], clock: Clock) -> Slot[User]:
    if not ceases_to_own(before, after):
        return await users.save(after)
    async with _another_owner(users, before, clock):
        return await users.save_departed(after)


@asynccontextmanager
async def _another_owner(users: Users, leaving: Slot[User], clock: Clock) -> AsyncIterator[None]:
    """Hold another owner in their place while `leaving` ceases to be one.

    Two owners who remove each other write two documents, so a version cannot stop them.
    Instead one owner's document carries the word to stay for one change of the other
    (its user and version), and whoever has given a word cannot leave. See ADR 5.
    """
    tenant_id = leaving.tenant_id
    word = Word(leaving.id, leaving.version, clock())
    others = [owner for owner in await users.owners(tenant_id) if owner != leaving.id]
    if not others:
        raise LastOwner("A tenant keeps an owner. Make somebody else an owner first.")
    await _release_if_dead(users, tenant_id, leaving.id, clock)
    for other in others:
        if await users.give_word(tenant_id, other, word):
            try:
                yield
            finally:
                await users.take_back(tenant_id, other, word)
            return
    for other in others:
        await _release_if_dead(users, tenant_id, other, clock)
    raise Stale("Another owner is just being changed.", id=leaving.id)


async def _release_if_dead(users: Users, tenant_id: str, owner: str, clock: Clock) -> None:
    """Free an owner from a word whose change was written, was lost, or will never be."""
    word = await users.word_of(tenant_id, owner)
    if word is None:
        return
    subject = await users.at(tenant_id, word.user_id)
    if subject.version == word.version:
        if clock() - word.at < GIVEN_UP_AFTER:
            return
        await users.save(subject)  # its version moves on, so the dead change can never be written
    await users.take_back(tenant_id, owner, word)
