"""The directory's resources and sessions: the same ids, addresses of users, and secrets."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

from services.directory.adapters.seal import Seal
from services.directory.adapters.store import store
from services.directory.domain.channel_account import Channel, ChannelAccount, Secret
from services.directory.domain.group import Group
from services.directory.domain.hours import BusinessHours
from services.directory.domain.overflow import ToGroup, ToQueue
from services.directory.domain.presence_policy import PresencePolicy
from services.directory.domain.queue import Queue
from services.directory.domain.sign_in import Attempts, Session
from services.directory.domain.slot import Slot
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Role, User
from services.directory.use_cases.ports import Word
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.stores.witness import ME, NOW, Case, SilentBus, Stores, clock

SHELVES = ("tenants", "users", "queues", "groups", "accounts", "policies")
REMOVABLE = ("users", "queues", "groups", "accounts")
WORD = Word("bo", 3, NOW)


@asynccontextmanager
async def opened(db: Database) -> AsyncIterator[Mapping[str, Any]]:
    async with store(db, cast(Bus, SilentBus()), Seal(), clock) as kept:
        yield {
            name: getattr(kept, name) for name in (*SHELVES, "references", "attempts", "sessions")
        }


def values(me: str) -> Mapping[str, Mapping[str, Any]]:
    """Return what a tenant keeps: others have more, and point at each other where mine do not."""
    theirs = me != ME
    hours = BusinessHours("UTC", (), (), ToGroup("g1") if theirs else None)
    return {
        "tenants": {"settings": Tenant(f"Shop {me}")},
        "users": {
            "ana": User("ana@shop.example", f"Ana of {me}", Role.OWNER, ("q1",) if theirs else ()),
            "bo": User("bo@shop.example", "Bo", Role.OWNER if theirs else Role.AGENT),
            **({"cy": User("cy@shop.example", "Cy", Role.OWNER)} if theirs else {}),
        },
        "queues": {
            "q1": Queue(f"Sales of {me}", overflow=ToQueue("q2") if theirs else None),
            "q2": Queue("Billing", business_hours=hours),
            **({"q3": Queue("More", overflow=ToGroup("g1"))} if theirs else {}),
        },
        "groups": {"g1": Group(f"All of {me}", ("ana",) if theirs else ())},
        "accounts": {
            "web": ChannelAccount(
                Channel.CUSTOM, f"Web of {me}", "q1" if theirs else "q2", secrets=(Secret(me),)
            )
        },
        "policies": {"policy": PresencePolicy(banned_after=2 if theirs else 3)},
    }


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    await look(stores, me, others)
    for shelf, kept in values(me).items():
        for key, value in kept.items():
            await stores[shelf].save(Slot(me, key, value))
            await stores[shelf].save(Slot(me, key, value))  # a lost race
            await stores[shelf].announce(await stores[shelf].at(me, key))
        if shelf in REMOVABLE:
            await stores[shelf].save((await stores[shelf].at(me, key)).emptied())
            await stores[shelf].save((await stores[shelf].at(me, key)).holding(value))
    await _sign_in(stores, me)
    users = stores["users"]
    twin = User("ana@shop.example", "Twin", Role.AGENT)
    await users.save(Slot(me, "twin", twin))  # the address is taken
    await users.give_word(me, "ana", WORD)
    await users.word_of(me, "ana")
    await users.save_departed((await users.at(me, "ana")).emptied())  # gave its word
    if me == ME:
        await users.give_word(me, "bo", WORD)  # no owner
        await users.take_back(me, "ana", WORD)
        await users.save_departed((await users.at(me, "bo")).emptied())
        await users.give_word(me, "cy", WORD)  # nobody


async def _sign_in(stores: Stores, me: str) -> None:
    attempts, sessions = stores["attempts"], stores["sessions"]
    await attempts.save(Attempts(f"{me}-key", 1, NOW))
    await attempts.save(Attempts(f"{me}-gone", 1, NOW))
    await attempts.forget(f"{me}-gone")
    await attempts.trust(f"{me}-here", NOW)
    session = Session(f"{me}-s", me, "ana", "p", f"{me}-hash", NOW + timedelta(1), NOW)
    await sessions.begin(session)
    for ended in ("gone", "other"):
        await sessions.begin(replace(session, id=f"{me}-{ended}", user_id="bo"))
    await sessions.end(replace(session, id=f"{me}-gone", user_id="bo"))
    await sessions.end_all(me, "bo")
    await sessions.advance(session, replace(session, token_hash="next"))
    await sessions.advance(session, replace(session, token_hash="stolen"))


async def look(stores: Stores, me: str, _: Sequence[str]) -> None:
    for shelf in SHELVES:
        for key in (*(values(me)[shelf]), "cy", "q3"):
            await stores[shelf].at(me, key)
        await stores[shelf].page(me, "", 100)
        await stores[shelf].page(me, "ana", 100)
        await stores[shelf].missing(me, ["ana", "bo", "cy", "q1", "q3", "g1", "web", "policy"])
        await stores[shelf].of_all("sent", lambda it: it[1].tenant_id == me)
    users, references = stores["users"], stores["references"]
    for name in ("ana", "bo", "cy"):
        await users.by_email(me, f"{name.upper()}@shop.example")
        await users.word_of(me, name)
        await references.to_user(me, name)
    await users.owners(me)
    for queue_id in ("q1", "q2", "q3"):
        await references.to_queue(me, queue_id)
    await references.to_group(me, "g1")
    await stores["attempts"].of(f"{me}-key")
    await stores["attempts"].trusts(f"{me}-here")
    for session_id in ("s", "gone", "other"):
        await stores["sessions"].at(f"{me}-{session_id}")
        await stores["sessions"].has_ended(f"{me}-{session_id}")


CASE = Case(opened, use, look)
