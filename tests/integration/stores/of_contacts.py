"""Contacts, as two shops may have them whose customers write from the same addresses."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from services.contacts.adapters.mongo import MongoContacts, prepare
from services.contacts.domain.contact import event_of, first_seen
from services.contacts.domain.identity import Identity
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from services.kernel.outbox import outbox
from tests.integration.stores.witness import Case, SilentBus, Stores, clock

ADDRESS = Identity("sms", "", "+4930123456")


@asynccontextmanager
async def opened(db: Database) -> AsyncIterator[Mapping[str, Any]]:
    async with outbox(db["contacts"], cast(Bus, SilentBus())) as relay:
        await prepare(db["contacts"])
        yield {"contacts": MongoContacts(db["contacts"], relay, clock)}


async def use(stores: Stores, me: str, others: Sequence[str]) -> None:
    contacts = stores["contacts"]
    await look(stores, me, others)
    new = first_seen(me, f"{me}-c", ADDRESS, "")
    await contacts.save(new, event_of(new))
    await contacts.save(replace(new, id=f"{me}-d"), event_of(new))  # the address is taken
    found = await contacts.behind(me, ADDRESS)
    await contacts.save(found.named("Ana"), event_of(found))
    await contacts.save(found.named("Bo"), event_of(found))  # a lost race
    for other in others:
        stolen = replace(found, id=f"{other}-c", display_name="stolen", version=2)
        await contacts.save(stolen, event_of(stolen))


async def look(stores: Stores, me: str, others: Sequence[str]) -> None:
    contacts = stores["contacts"]
    await contacts.behind(me, ADDRESS)
    await contacts.some(me, [f"{one}-c" for one in (me, *others)])


CASE = Case(opened, use, look)
