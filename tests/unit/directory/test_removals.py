"""A removal asks for the work under way, is refused, resumed or called off, and strands nothing."""

import pytest

from services.directory.domain.channel_account import Channel, ChannelAccount
from services.directory.domain.errors import (
    ChannelAccountHasConversations,
    FieldInvalid,
    GroupHasTasks,
    QueueHasTasks,
    Stale,
    UnknownQueue,
)
from services.directory.domain.group import Group
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.work import Place, Work
from services.directory.use_cases.removals import (
    DeleteChannelAccount,
    DeleteGroup,
    DeleteQueue,
    RemoveEmptied,
)
from services.directory.use_cases.resources import PutQueue
from tests.unit.directory.fakes import MemoryRouter, MemoryShelf, Named

OLD = Place("acme", queue_id="old")


class Outage(Exception):
    """The router does not answer."""


class House:
    """Two queues, a group, and what is under way."""

    def __init__(self, work: Work) -> None:
        self.queues: MemoryShelf[Queue] = MemoryShelf()
        self.groups: MemoryShelf[Group] = MemoryShelf()
        self.router = MemoryRouter(work)
        remove = RemoveEmptied(self.queues, self.router)
        self.delete_queue = DeleteQueue(self.queues, Named(), remove)
        self.delete_group = DeleteGroup(self.groups, Named(), remove)

    async def furnished(self) -> "House":
        for queue_id in ("old", "sales"):
            await self.queues.save(Slot("acme", queue_id, Queue(queue_id)))
        await self.groups.save(Slot("acme", "night", Group("Night")))
        return self

    async def old(self) -> Slot[Queue]:
        return await self.queues.at("acme", "old")


BUSY = Work(waiting=2, ringing=1, in_service=3)


async def test_a_queue_with_work_is_not_removed_and_nothing_has_changed() -> None:
    house = await House(BUSY).furnished()
    before = await house.old()
    with pytest.raises(QueueHasTasks) as refused:
        await house.delete_queue("olga", "acme", "old")
    assert refused.value.details == {"waiting": "2", "ringing": "1", "inService": "3"}
    assert await house.old() == before
    assert not house.router.vacated


async def test_a_group_with_work_is_not_removed() -> None:
    house = await House(Work(in_service=1)).furnished()
    with pytest.raises(GroupHasTasks) as refused:
        await house.delete_group("olga", "acme", "night")
    assert refused.value.details == {"waiting": "0", "ringing": "0", "inService": "1"}
    await house.delete_group("olga", "acme", "night", "sales")
    place, _, move_to, actor_id = house.router.vacated[-1]
    assert (place, move_to, actor_id) == (Place("acme", group_id="night"), "sales", "olga")
    assert (await house.groups.at("acme", "night")).value is None


async def test_a_queue_is_marked_then_emptied_step_by_step_then_gone() -> None:
    house = await House(BUSY).furnished()
    before = await house.old()
    await house.delete_queue("olga", "acme", "old", "sales")
    marked = before.version + 1
    assert house.router.vacated == [(OLD, marked, "sales", "olga")] * 2
    after = await house.old()
    assert (after.value, after.version) == (None, marked + 1)


async def test_what_is_empty_may_still_be_written_to_so_its_work_has_somewhere_to_go() -> None:
    house = await House(Work()).furnished()
    await house.delete_queue("olga", "acme", "old", "sales")
    assert len(house.router.vacated) == 1


async def test_a_removal_that_was_broken_off_can_be_seen_and_is_resumed() -> None:
    house = await House(BUSY).furnished()
    house.router.trouble = Outage()
    with pytest.raises(Outage):
        await house.delete_queue("olga", "acme", "old", "sales")
    marked = await house.old()
    assert marked.value == Queue("old", removing_to="sales")
    await house.delete_queue("olga", "acme", "old", "sales")
    assert {version for _, version, _, _ in house.router.vacated} == {marked.version}
    assert (await house.old()).value is None


async def test_a_put_calls_off_a_removal_that_was_broken_off() -> None:
    house = await House(BUSY).furnished()
    house.router.trouble = Outage()
    with pytest.raises(Outage):
        await house.delete_queue("olga", "acme", "old", "sales")
    marked = await house.old()
    await PutQueue(house.queues, house.groups)(Slot("acme", "old", Queue("old")))
    kept = await house.old()
    assert (kept.value, kept.version) == (Queue("old"), marked.version + 1)


async def test_what_the_router_refuses_leaves_nothing_marked() -> None:
    house = await House(BUSY).furnished()
    house.router.trouble = UnknownQueue("It is being removed too.", field="move_to")
    with pytest.raises(UnknownQueue):
        await house.delete_queue("olga", "acme", "old", "sales")
    assert (await house.old()).value == Queue("old")


async def test_a_put_meanwhile_has_the_removal_begin_anew() -> None:
    house = await House(BUSY).furnished()
    house.router.trouble = Stale("It was put meanwhile.")
    await house.delete_queue("olga", "acme", "old", "sales")
    assert (await house.old()).value is None


async def test_work_goes_to_another_queue_that_there_is() -> None:
    house = await House(BUSY).furnished()
    with pytest.raises(UnknownQueue) as unknown:
        await house.delete_queue("olga", "acme", "old", "nowhere")
    assert unknown.value.details == {"field": "move_to", "queueId": "nowhere"}
    with pytest.raises(FieldInvalid) as itself:
        await house.delete_queue("olga", "acme", "old", "old")
    assert itself.value.details == {"field": "move_to", "rule": "other"}
    assert not house.router.vacated


class Open:
    """So many conversations are open on each account."""

    def __init__(self, count: int) -> None:
        self.count = count

    async def open_on(self, tenant_id: str, account_id: str) -> int:
        return self.count


async def test_an_account_with_open_conversations_is_removed_only_if_they_are_left() -> None:
    accounts: MemoryShelf[ChannelAccount] = MemoryShelf()
    await accounts.save(Slot("acme", "shop", ChannelAccount(Channel.CUSTOM, "Shop", "sales")))
    delete = DeleteChannelAccount(accounts, Open(2))
    with pytest.raises(ChannelAccountHasConversations) as refused:
        await delete("acme", "shop")
    assert refused.value.details == {"open": "2"}
    assert (await accounts.at("acme", "shop")).value is not None
    await delete("acme", "shop", leave_open=True)
    assert (await accounts.at("acme", "shop")).value is None
