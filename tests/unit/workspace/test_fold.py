"""Facts that arrive at once are folded one after the other, and a lost race is read again."""

import asyncio
from datetime import UTC, datetime

from services.workspace.domain.card import CardState, Standing
from services.workspace.domain.errors import Stale
from services.workspace.domain.sources import Fact, Opening, Routed, Said, Sources
from services.workspace.domain.viewer import Role, Viewer
from services.workspace.use_cases.fold import FoldFact
from services.workspace.use_cases.viewers import FollowUser

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
OPENING = Opening("c-1", 1, "web", "sales", NINE)
WAITS = Routed(1, Standing(CardState.WAITING, "sales"))


class Documents:
    """One shared store; each replica recalls only what it wrote itself."""

    def __init__(self) -> None:
        self.stored: dict[str, Sources] = {}
        self.reads = self.writes = self.fail = 0


class Store:
    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._written: dict[str, Sources] = {}

    def recalled(self, tenant_id: str, conversation_id: str) -> Sources | None:
        return self._written.get(conversation_id)

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None:
        self._documents.reads += 1
        await asyncio.sleep(0)
        return self._documents.stored.get(conversation_id)

    async def save(self, before: Sources, after: Sources) -> None:
        self._documents.writes += 1
        await asyncio.sleep(0)
        if self._documents.fail:
            self._documents.fail -= 1
            raise ConnectionError
        stored = self._documents.stored.get(after.conversation_id)
        if (stored.revision if stored else 0) != before.revision:
            raise Stale("It changed meanwhile.")
        self._documents.stored[after.conversation_id] = after
        self._written[after.conversation_id] = after


def facts() -> list[Fact]:
    return [OPENING, WAITS, *(Said(number, NINE) for number in range(1, 9))]


async def test_a_fact_costs_one_write_and_no_read_where_the_last_one_was_folded() -> None:
    documents = Documents()
    fold = FoldFact(Store(documents))
    for fact in facts():
        await fold("acme", "v-1", fact)

    assert (documents.reads, documents.writes) == (0, 10)


async def test_an_opening_and_what_follows_at_once_are_one_write() -> None:
    documents = Documents()
    fold = FoldFact(Store(documents))
    await asyncio.gather(*(fold("acme", "v-1", fact) for fact in facts()))

    assert (documents.reads, documents.writes) == (0, 1)
    assert documents.stored["v-1"].message_count == 8
    assert not fold._lanes


async def test_a_failed_write_fails_its_caller_and_the_others_try_for_themselves() -> None:
    documents = Documents()
    store = Store(documents)
    fold = FoldFact(store)
    documents.fail = 1
    told = await asyncio.gather(
        *(fold("acme", "v-1", fact) for fact in facts()), return_exceptions=True
    )

    assert [type(one) for one in told if one] == [ConnectionError]
    assert documents.stored["v-1"].message_count == 8
    assert documents.stored["v-1"].opening is None  # its delivery failed, so it comes again
    assert not fold._lanes


async def test_replicas_that_race_lose_nothing() -> None:
    documents = Documents()
    replicas = [FoldFact(Store(documents)) for _ in range(3)]
    work = enumerate([*facts(), *facts()])
    await asyncio.gather(*(replicas[n % 3]("acme", "v-1", fact) for n, fact in work))

    stored = documents.stored["v-1"]
    assert (stored.message_count, stored.opening, stored.routed) == (8, OPENING, WAITS)


class Known:
    def __init__(self) -> None:
        self.stored: Viewer | None = None
        self.saves = 0

    async def read(self, tenant_id: str, user_id: str) -> Viewer | None:
        return self.stored

    async def save(self, before: Viewer | None, after: Viewer) -> None:
        assert before == self.stored
        self.stored = after
        self.saves += 1


async def test_only_another_role_or_other_queues_change_a_view() -> None:
    known = Known()
    follow = FollowUser(known)
    ana = Viewer("acme", "ana", Role.AGENT, frozenset({"sales"}), 1)
    for user in (
        ana,
        ana,
        Viewer("acme", "ana", Role.AGENT, frozenset({"sales"}), 2),
        Viewer("acme", "ana", Role.MANAGER, frozenset({"sales"}), 4),
        Viewer("acme", "ana", Role.AGENT, frozenset({"help"}), 3),
    ):
        await follow(user)

    assert known.saves == 2
    assert known.stored == Viewer("acme", "ana", Role.MANAGER, frozenset({"sales"}), 4)
