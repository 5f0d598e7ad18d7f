"""An open conversation without a task is found and mended, and a task without a conversation."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.events import Closed, Opened
from services.conversations.domain.message import Seen
from services.conversations.use_cases.reconciling import Checked, Mend, Reconcile
from tests.unit.conversations.fakes import LANE, OWNER, Desk, agent, received

LATER = timedelta(minutes=2)


@dataclass
class Router:
    """What the router would say."""

    live: set[str] = field(default_factory=set)
    ended: Mapping[str, datetime] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    async def check(self, tenant_id: str, task_ids: Sequence[str]) -> Checked:
        self.asked.append(len(task_ids))
        gone = [each for each in task_ids if each not in self.live]
        ended = {each: self.ended[each] for each in gone if each in self.ended}
        return Checked([each for each in gone if each not in ended], ended)

    async def chats(self, tenant_id: str) -> AsyncIterator[Sequence[str]]:
        if tenant_id == LANE.tenant_id and self.live:
            yield sorted(self.live)


@dataclass
class World:
    desk: Desk = field(default_factory=Desk)
    router: Router = field(default_factory=Router)
    mends: list[tuple[Mend, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reconcile = Reconcile(
            self.desk.conversations,
            self.router,
            self.desk.ended,
            self.desk.go_on,
            lambda: ["acme", "umbrella"],
            lambda mend, _, conversation_id: self.mends.append((mend, conversation_id)),
            self.desk.clock,
            timedelta(minutes=1),
        )

    async def opened(self, *, age: timedelta = LATER, address: str = "visitor") -> Conversation:
        await self.desk.append(received("p-1", address=address))
        self.desk.clock.now += age
        return list(self.desk.conversations.documents.values())[-1]

    def events(self, conversation_id: str, kind: type) -> list[object]:
        told = self.desk.conversations.events
        return [event for owner, event in told if owner == conversation_id and type(event) is kind]


@pytest.fixture
def world() -> World:
    return World()


async def test_an_open_conversation_that_the_router_does_not_know_is_announced_again(
    world: World,
) -> None:
    it = await world.opened()
    await world.desk.note("acme", it.id, 7, "support", "ana")
    await world.reconcile()
    assert world.events(it.id, Opened) == [
        Opened(it.opened_at),
        Opened(it.opened_at, last_agent_id="ana"),
    ]
    after = await world.desk.latest()
    assert (after.assignee_id, after.queue_id, after.opened_at) == ("", "support", it.opened_at)
    assert world.mends == [(Mend.ANNOUNCED, it.id)]
    await world.desk.note("acme", it.id, 2, "support", "bea")  # the new task begins anew
    assert (await world.desk.latest()).assignee_id == "bea"


async def test_a_conversation_whose_task_ended_is_closed_and_what_came_since_goes_on(
    world: World,
) -> None:
    it = await world.opened()
    ended_at = world.desk.clock()
    await world.desk.append(received("p-2", "is anybody there?"))
    world.desk.clock.now += LATER
    world.router.ended = {it.id: ended_at}
    await world.reconcile()
    following = await world.desk.latest()
    assert following.continues == it.id
    assert following.message_count == 1
    assert world.mends == [(Mend.ENDED, it.id)]


async def test_a_task_whose_conversation_is_closed_hears_of_the_close_again(world: World) -> None:
    it = await world.opened()
    await world.desk.close(OWNER, it.id, "c-1")
    world.desk.clock.now += LATER
    world.router.live = {it.id, "a-task-of-others"}
    await world.reconcile()
    told = world.events(it.id, Closed)
    assert len(told) == 2
    assert told[0] == told[1]
    assert world.mends == [(Mend.CLOSE_TOLD, it.id)]


async def test_what_crossed_a_close_of_one_who_died_begins_the_next_conversation(
    world: World,
) -> None:
    it = await world.desk.held()
    await world.desk.append(received("p-2"))
    it = await world.desk.latest()
    await world.desk.store.now(it, it.staged)
    it = await world.desk.latest()
    crossed = await world.desk.go_on.unseen(it, Seen(1))
    closing = it.close("ana", "c-1", world.desk.clock(), crossed)
    await world.desk.conversations.save(it, *closing)  # and the process dies
    world.desk.clock.now += LATER
    await world.reconcile()
    following = await world.desk.latest()
    assert following.continues == it.id
    assert world.mends == [(Mend.CONTINUED, it.id)]
    world.router.live = {following.id}
    await world.reconcile()
    assert len(world.mends) == 1


async def test_what_is_on_its_way_is_not_taken_for_lost(world: World) -> None:
    it = await world.opened(age=timedelta(seconds=1))
    await world.reconcile()
    world.router.ended = {it.id: world.desk.clock()}
    world.desk.clock.now += timedelta(seconds=58)
    await world.reconcile()
    await world.desk.close(OWNER, it.id, "c-1")
    world.router.live = {it.id}
    await world.reconcile()
    assert world.mends == []


async def test_what_agrees_is_left_alone(world: World) -> None:
    it = await world.opened()
    world.router.live = {it.id}
    await world.reconcile()
    await world.desk.note("acme", it.id, 2, "sales", "ana")
    await world.desk.close(agent(), it.id, "c-1")
    world.desk.clock.now += LATER
    world.router.live, world.router.ended = set(), {it.id: world.desk.clock()}
    before = list(world.desk.conversations.events)
    await world.reconcile()
    assert world.desk.conversations.events == before
    assert world.mends == []


async def test_many_are_asked_about_in_few_questions(world: World) -> None:
    for n in range(30):
        await world.desk.append(received(f"p-{n}", address=f"visitor-{n}"))
    world.desk.clock.now += LATER
    world.router.live = set(world.desk.conversations.documents)
    await world.reconcile()
    assert world.router.asked == [30]


async def test_what_is_wrong_with_one_keeps_no_other_from_being_mended(world: World) -> None:
    """A shard without a leader and a document that cannot be read were the end of it for all."""
    damaged, it = await world.opened(), await world.opened(address="other")
    get = world.desk.conversations.get

    async def read(tenant_id: str, conversation_id: str) -> Conversation:
        if conversation_id == damaged.id:
            raise KeyError("lane")
        return await get(tenant_id, conversation_id)

    async def asked(tenant_id: str) -> AsyncIterator[Sequence[str]]:
        raise ConnectionError(tenant_id)
        yield ()

    world.desk.conversations.get = read  # type: ignore[method-assign]
    world.router.chats = asked  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup) as told:
        await world.reconcile()
    assert world.mends == [(Mend.ANNOUNCED, it.id)]
    assert [type(each) for each in told.value.exceptions] == [KeyError, *2 * [ConnectionError]]
