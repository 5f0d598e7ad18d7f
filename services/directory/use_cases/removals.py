"""Removing queues, groups and channel accounts, and what becomes of the work in them."""

from dataclasses import dataclass, replace
from typing import TypeVar

from services.directory.domain import fields
from services.directory.domain.channel_account import ChannelAccount
from services.directory.domain.errors import (
    ChannelAccountHasConversations,
    ChannelAccountNotFound,
    FieldInvalid,
    GroupHasTasks,
    GroupNotFound,
    InUse,
    QueueHasTasks,
    QueueNotFound,
    Refusal,
    Stale,
    UnknownQueue,
)
from services.directory.domain.group import Group
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.work import Place
from services.kernel.again import again_if

from .ports import Conversations, References, Router, Shelf
from .shelves import filled

R = TypeVar("R", Queue, Group)


@dataclass(frozen=True, slots=True)
class Removal:
    """Of what, by whom, and where its work goes; empty: there must be none."""

    place: Place
    actor_id: str
    move_to: str


class RemoveEmptied:
    """Removes a queue or a group when the router has nothing in it.

    Asked first, the router answers or nothing changes. Where work is to go elsewhere, the mark is
    written before it goes: a removal that is broken off can be seen, is resumed by the same
    request, and is called off by a put, of which the router hears as of any other.
    """

    def __init__(self, queues: Shelf[Queue], router: Router) -> None:
        self._queues = queues
        self._router = router

    async def __call__(
        self, it: Removal, shelf: Shelf[R], slot: Slot[R], refusal: type[Refusal]
    ) -> None:
        """Raises `refusal` for work that has nowhere to go, Stale when it was put meanwhile."""
        if it.move_to:
            await self._check_target(it)
        work = await self._router.work(it.place)
        if work and not it.move_to:
            raise refusal("Name a queue in move_to for the work in it.", **work.counts)
        if it.move_to:
            slot = await self._vacated(it, shelf, slot)
        await shelf.save(slot.emptied())

    async def _vacated(self, it: Removal, shelf: Shelf[R], slot: Slot[R]) -> Slot[R]:
        marked = await self._marked(shelf, slot, it.move_to)
        try:
            while await self._router.vacate(it.place, marked.version, it.move_to, it.actor_id):
                pass
        except UnknownQueue:
            await self._marked(shelf, marked, "")
            raise
        return marked

    async def _marked(self, shelf: Shelf[R], slot: Slot[R], move_to: str) -> Slot[R]:
        value = slot.value
        if value is None or value.removing_to == move_to:
            return slot
        return await shelf.save(slot.holding(replace(value, removing_to=move_to)))

    async def _check_target(self, it: Removal) -> None:
        fields.slug("move_to", it.move_to)
        if it.move_to == it.place.queue_id:
            raise FieldInvalid("move_to", "other", "name another queue than this one.")
        if await self._queues.missing(it.place.tenant_id, [it.move_to]):
            raise UnknownQueue("Put the queue first.", field="move_to", queueId=it.move_to)


class DeleteQueue:
    """Refused while a user, a channel account or another queue names the queue.

    A reference written between the look and the removal stays and leads nowhere: what arrives
    there goes where the rest went. Where nothing was moved it waits where managers see it, who
    can move it. The next put of its holder is refused.
    """

    def __init__(
        self, queues: Shelf[Queue], references: References, remove_emptied: RemoveEmptied
    ) -> None:
        self._queues = queues
        self._references = references
        self._remove_emptied = remove_emptied

    @again_if(Stale)
    async def __call__(
        self, actor_id: str, tenant_id: str, queue_id: str, move_to: str = ""
    ) -> None:
        fields.slug("queue_id", queue_id)
        slot = filled(await self._queues.at(tenant_id, queue_id), QueueNotFound)
        user_of = await self._references.to_queue(tenant_id, queue_id)
        if user_of is not None:
            raise InUse("Take the queue out of it first.", kind=user_of[0], id=user_of[1])
        it = Removal(Place(tenant_id, queue_id=queue_id), actor_id, move_to)
        await self._remove_emptied(it, self._queues, slot, QueueHasTasks)


class DeleteGroup:
    """Refused while a queue overflows to the group."""

    def __init__(
        self, groups: Shelf[Group], references: References, remove_emptied: RemoveEmptied
    ) -> None:
        self._groups = groups
        self._references = references
        self._remove_emptied = remove_emptied

    @again_if(Stale)
    async def __call__(
        self, actor_id: str, tenant_id: str, group_id: str, move_to: str = ""
    ) -> None:
        fields.slug("group_id", group_id)
        slot = filled(await self._groups.at(tenant_id, group_id), GroupNotFound)
        user_of = await self._references.to_group(tenant_id, group_id)
        if user_of is not None:
            raise InUse("Take the group out of it first.", kind=user_of[0], id=user_of[1])
        it = Removal(Place(tenant_id, group_id=group_id), actor_id, move_to)
        await self._remove_emptied(it, self._groups, slot, GroupHasTasks)


class DeleteChannelAccount:
    """Refused while conversations are open on it, unless they are left: replies reach nobody."""

    def __init__(self, accounts: Shelf[ChannelAccount], conversations: Conversations) -> None:
        self._accounts = accounts
        self._conversations = conversations

    @again_if(Stale)
    async def __call__(self, tenant_id: str, account_id: str, *, leave_open: bool = False) -> None:
        fields.slug("channel_account_id", account_id)
        slot = filled(await self._accounts.at(tenant_id, account_id), ChannelAccountNotFound)
        found = 0 if leave_open else await self._conversations.open_on(tenant_id, account_id)
        if found:
            raise ChannelAccountHasConversations(
                "Close them first, or leave them open: replies will reach nobody.",
                open=str(found),
            )
        await self._accounts.save(slot.emptied())
