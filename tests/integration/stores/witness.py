"""Whether one tenant can tell that others are there, and whether it touches what is theirs.

A service's stores are used by a tenant that is alone, and by the same tenant beside two that have
done the same under the same ids. Every answer must be the same, and every document of the others
stay as it was.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from services.kernel.bus import BusUnavailable
from services.kernel.mongo import Database
from services.kernel.wire import Outgoing

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

ME = "t"
#: Their documents lie on both sides of mine, whatever a key is made of: "t-1/" < "t/" < "t0/".
NEIGHBOURS = ("t-1", "t0")

#: What is no answer but an accident of a test.
REFUSALS = ("Stale", "ConversationNotFound", "EmailTaken")


def clock() -> datetime:
    return NOW


class SilentBus:
    """A bus that is gone: what waits in an outbox stays there, and is compared."""

    async def publish(self, _: Outgoing) -> None:
        raise BusUnavailable


@dataclass
class Asked:
    """One store, of which every answer is written down."""

    store: Any
    methods: set[str] = field(default_factory=set)
    answers: list[tuple[str, Any]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.store, name)

        async def ask(*told: Any) -> Any:
            self.methods.add(name)
            try:
                answer = method(*told)
                if inspect.isasyncgen(answer):
                    answer = [each async for each in answer]
                elif inspect.isawaitable(answer):
                    answer = await answer
            except Exception as no:
                if type(no).__name__ not in REFUSALS:
                    raise
                answer = type(no).__name__
            self.answers.append((name, answer))
            return answer

        return ask

    async def of_all(self, name: str, mine: Callable[[Any], bool], *told: Any) -> None:
        """Ask what is asked for all tenants at once, and keep what the caller may act upon."""
        await getattr(self, name)(*told)
        _, answer = self.answers.pop()
        flat = [one for each in answer for one in (each if isinstance(each, list) else [each])]
        self.answers.append((name, [one for one in flat if mine(one)]))


Stores = Mapping[str, Asked]
Part = Callable[[Stores, str, Sequence[str]], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """A service's stores, how a tenant uses all of them, and how it looks at them afterwards."""

    opened: Callable[[Database], AbstractAsyncContextManager[Mapping[str, Any]]]
    use: Part
    look: Part

    def told(self) -> str:
        return self.use.__module__.rpartition(".")[2]


async def answers(part: Part, stores: Stores, tenant: str) -> list[tuple[str, str, Any]]:
    """Return what a tenant is answered, others' ids included in what it asks for."""
    for asked in stores.values():
        asked.answers.clear()
    await part(stores, tenant, [one for one in (ME, *NEIGHBOURS) if one != tenant])
    return [(name, *each) for name, asked in stores.items() for each in asked.answers]


async def documents(db: Database) -> dict[tuple[str, Any], dict[str, Any]]:
    names = await db.list_collection_names()
    return {(name, it["_id"]): it for name in names async for it in db[name].find({})}


async def emptied(db: Database) -> None:
    for name in await db.list_collection_names():
        await db[name].delete_many({})


def public_methods(kind: type) -> set[str]:
    return {
        name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")
    }
