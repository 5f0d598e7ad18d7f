"""What services keep in memory of other services' events: the same users, groups and policies."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from centralita.directory.v1.events_pb2 import GroupChanged, PresencePolicyChanged, UserChanged

from services.conversations.adapters.memberships import Memberships
from services.kernel.mongo import Database
from services.presence.adapters.abilities import KnownAbilities
from services.presence.adapters.policies import KnownPolicies
from tests.integration.stores.witness import ME, Case, Stores


@asynccontextmanager
async def opened(_: Database) -> AsyncIterator[Mapping[str, Any]]:
    yield {
        "memberships": Memberships(),
        "abilities": KnownAbilities(),
        "policies": KnownPolicies(),
    }


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    await look(stores, me, others)
    # Theirs are newer, and more: an older one of mine must still be taken.
    version = 1 if me == ME else 5
    for number in range(1, 2 if me == ME else 3):
        user = UserChanged(
            tenant_id=me,
            user_id=f"u{number}",
            version=version,
            queue_ids=[f"queue-of-{me}"],
            chat_capacity=version,
        )
        await stores["memberships"].note(user)
        await stores["abilities"].take_user(user)
        group = GroupChanged(tenant_id=me, group_id=f"g{number}", version=version)
        group.group.user_ids.extend(["u1", "u3"] if me == ME else ["u1", "u2", "u3"])
        await stores["abilities"].take_group(group)
    policy = PresencePolicyChanged(tenant_id=me, version=version)
    policy.policy.banned_after = version + 1
    await stores["policies"].take(policy)
    await look(stores, me, others)
    # Leaving a group of mine takes nobody out of theirs.
    await stores["abilities"].take_group(GroupChanged(tenant_id=me, group_id="g1", version=9))


async def look(stores: Stores, me: str, _: Sequence[str]) -> None:
    for user_id in ("u1", "u2", "u3"):  # the last one is in no queue
        await stores["memberships"].queues_of(me, user_id)
        await stores["abilities"].of((me, user_id))
    await stores["policies"].of(me)
    await stores["memberships"].of_all("tenants", lambda it: it == me)


CASE = Case(opened, use, look)
