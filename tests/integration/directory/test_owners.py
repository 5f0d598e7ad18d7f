"""A tenant keeps an owner, whatever its owners do to each other at the same moment."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.directory.adapters.seal import Seal
from services.directory.adapters.store import Store, store
from services.directory.domain.errors import DirectoryError, LastOwner, Stale
from services.directory.domain.slot import Slot
from services.directory.domain.user import Role, User
from services.directory.use_cases.ports import Word
from services.directory.use_cases.users import GIVEN_UP_AFTER, DeleteUser, PutUser
from services.kernel.bus import Bus
from services.kernel.clock import utc_now
from services.kernel.mongo import Database


class NoPasswords:
    def busy(self) -> bool:
        return False

    async def hash(self, plain: str) -> str:
        return plain

    async def verify(self, hashed: str | None, plain: str) -> bool:
        return hashed == plain


@pytest.fixture
async def kept(db: Database, bus: Bus) -> Any:
    async with store(db, bus, Seal(), utc_now) as opened:
        yield opened


def owner(tenant: str, name: str) -> Slot[User]:
    return Slot(tenant, name, User(f"{name}@x.example", name, Role.OWNER))


async def with_owners(kept: Store, tenant: str, *names: str) -> None:
    for name in names:
        await kept.users.save(owner(tenant, name))


def demotion(kept: Store, tenant: str, name: str) -> Any:
    put = PutUser(kept.users, kept.queues, NoPasswords(), kept.sessions, utc_now)
    lesser = Slot(tenant, name, User(f"{name}@x.example", name, Role.AGENT))
    return put(Role.OWNER, lesser)


def removal(kept: Store, tenant: str, name: str) -> Any:
    return DeleteUser(kept.users, kept.references, kept.sessions, utc_now)(Role.OWNER, tenant, name)


@pytest.mark.parametrize("round_", range(5))
async def test_owners_who_remove_each_other_leave_exactly_one(
    kept: Store, tenant: str, round_: int
) -> None:
    names = ["ann", "bob", "cid", "dan"][: 2 + round_ % 3]
    await with_owners(kept, tenant, *names)
    leaving = [
        (demotion if (n + round_) % 2 else removal)(kept, tenant, it) for n, it in enumerate(names)
    ]
    answers = await asyncio.gather(*leaving, return_exceptions=True)
    refused = [it for it in answers if isinstance(it, BaseException)]
    assert len(await kept.users.owners(tenant)) == 1
    assert [type(it) for it in refused] == [LastOwner]
    for name in await kept.users.owners(tenant):
        assert await kept.users.word_of(tenant, name) is None, "nobody is held for ever"


async def test_an_owner_who_gave_their_word_cannot_leave(kept: Store, tenant: str) -> None:
    await with_owners(kept, tenant, "ann", "bob", "cid")
    ann = await kept.users.at(tenant, "ann")
    word = Word("ann", ann.version, utc_now())
    assert await kept.users.give_word(tenant, "bob", word)
    assert not await kept.users.give_word(tenant, "bob", word), "one word at a time"
    with pytest.raises(Stale):
        await removal(kept, tenant, "bob")
    await kept.users.take_back(tenant, "bob", replace(word, user_id="cid"))
    assert await kept.users.word_of(tenant, "bob") == word
    await kept.users.take_back(tenant, "bob", word)
    await removal(kept, tenant, "bob")


async def test_a_word_held_by_a_change_that_died_is_freed_and_the_change_fenced(
    kept: Store, tenant: str
) -> None:
    """Bob's word is held for a change of Ann by a process that stopped before it wrote."""
    await with_owners(kept, tenant, "ann", "bob")
    ann = await kept.users.at(tenant, "ann")
    long_ago = utc_now() - GIVEN_UP_AFTER - timedelta(seconds=1)
    await kept.users.give_word(tenant, "bob", Word("ann", ann.version, long_ago))

    await demotion(kept, tenant, "ann")  # finds bob bound, frees him, and goes on

    assert await kept.users.owners(tenant) == ["bob"]
    with pytest.raises(DirectoryError):
        await removal(kept, tenant, "bob")
    with pytest.raises(Stale):  # the dead process wakes up and writes what it had decided
        await kept.users.save_departed(ann.emptied())


async def test_a_word_for_a_change_that_was_written_is_freed(kept: Store, tenant: str) -> None:
    await with_owners(kept, tenant, "ann", "bob", "cid")
    ann = await kept.users.at(tenant, "ann")
    for name in ("bob", "cid"):
        await kept.users.give_word(tenant, name, Word("ann", ann.version, utc_now()))
    await kept.users.save_departed(ann.emptied())  # and then its process died
    await demotion(kept, tenant, "bob")
    assert await kept.users.owners(tenant) == ["cid"]
