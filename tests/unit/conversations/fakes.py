"""Stores in memory that keep the promises of the real ones, and can be interrupted anywhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from services.conversations.domain.conversation import Conversation, Incoming, Lane
from services.conversations.domain.errors import ConversationNotFound, Stale
from services.conversations.domain.events import Closed, Event
from services.conversations.domain.message import (
    Delivery,
    Direction,
    Message,
    Place,
    Seen,
    former_inbound_id,
    inbound_id,
)
from services.conversations.domain.received import Known, Received, Sender
from services.conversations.domain.visibility import Rank, Viewer
from services.conversations.use_cases import (
    AppendMessage,
    Assignments,
    Close,
    Continue,
    EndWithTask,
    Facts,
    MergeDelivery,
    NoteTask,
    ReadConversation,
    ReadMessages,
    Reply,
    StoreStaged,
)
from services.conversations.use_cases.ports import Stored

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LANE = Lane("acme", "shop", "contact-of-visitor")

Checkpoint = Callable[[], Awaitable[None]]


async def passed() -> None:
    """Do not interrupt."""


class FakeConversations:
    """One conditional write at a time, each event remembered. The flags plant bugs."""

    def __init__(
        self, checkpoint: Checkpoint = passed, *, guarded: bool = True, numbered: bool = True
    ) -> None:
        self.documents: dict[str, Conversation] = {}
        self.events: list[tuple[str, Event]] = []
        self.pending: set[str] = set()
        self._checkpoint = checkpoint
        self._guarded = guarded
        self._numbered = numbered

    async def latest_in(self, lane: Lane) -> Conversation | None:
        await self._checkpoint()
        mine = [it for it in self.documents.values() if it.lane == lane]
        return max(mine, key=lambda it: it.ordinal, default=None)

    async def open_since(
        self, moment: datetime, at_once: int
    ) -> AsyncIterator[list[tuple[str, str]]]:
        await self._checkpoint()
        found = [it for it in self.documents.values() if not it.closed and it.opened_at < moment]
        for first in range(0, len(found), at_once):
            some = found[first : first + at_once]
            yield [(it.lane.tenant_id, it.id) for it in some]

    async def closed_among(
        self, tenant_id: str, conversation_ids: Sequence[str]
    ) -> list[Conversation]:
        await self._checkpoint()
        found = (self.documents.get(each) for each in conversation_ids)
        return [it for it in found if it and it.closed and it.lane.tenant_id == tenant_id]

    async def tell_close(self, it: Conversation) -> None:
        await self._checkpoint()
        if it.closed:
            self.events.append((it.id, it.closed))

    async def following(self, it: Conversation) -> Conversation | None:
        await self._checkpoint()
        next_one = (it.lane, it.ordinal + 1)
        return next(
            (each for each in self.documents.values() if (each.lane, each.ordinal) == next_one),
            None,
        )

    async def crossing(self, most: int) -> list[Conversation]:
        await self._checkpoint()
        pending = [self.documents[each] for each in sorted(self.pending)]
        return pending[:most]

    async def continued(self, conversation_id: str) -> None:
        await self._checkpoint()
        self.pending.discard(conversation_id)

    async def open_on(self, tenant_id: str, channel_account_id: str) -> int:
        raise NotImplementedError

    async def open_with(
        self, tenant_id: str, channel_account_id: str, address: str
    ) -> Conversation | None:
        await self._checkpoint()
        wanted = (tenant_id, channel_account_id, address)
        return next(
            (
                it
                for it in self.documents.values()
                if not it.closed
                and (it.lane.tenant_id, it.lane.channel_account_id, it.recipient_address) == wanted
            ),
            None,
        )

    async def get(self, tenant_id: str, conversation_id: str) -> Conversation:
        await self._checkpoint()
        it = self.documents.get(conversation_id)
        if it is None or it.lane.tenant_id != tenant_id:
            raise ConversationNotFound("No such conversation.")
        return it

    async def save(self, it: Conversation, *events: Event) -> None:
        await self._checkpoint()
        now = self.documents.get(it.id)
        if now is None:
            same = [each for each in self.documents.values() if each.lane == it.lane]
            fits = all(each.closed for each in same)
            if self._numbered:
                fits = fits and it.ordinal not in {each.ordinal for each in same}
        else:
            fits = now.version == it.version and now.closed is None
            if any(isinstance(each, Closed) for each in events):
                fits = fits and not now.staged
        if self._guarded and not fits:
            raise Stale("It changed meanwhile.")
        # What was unstaged since `it` was read stays so.
        after = it.apply(*events)
        gone = {each.id for each in it.staged} - {each.id for each in (now or it).staged}
        left = tuple(each for each in after.staged if each.id not in gone)
        self.documents[it.id] = replace(after, staged=left)
        self.events += [(it.id, each) for each in events]
        if after.crossed:
            self.pending.add(it.id)
        await self._checkpoint()

    async def unstage(self, conversation_ids: Sequence[str], message_ids: Sequence[str]) -> None:
        await self._checkpoint()
        for it in map(self.documents.__getitem__, conversation_ids):
            left = tuple(each for each in it.staged if each.id not in message_ids)
            self.documents[it.id] = replace(it, staged=left)
        await self._checkpoint()

    async def note_task(
        self, tenant_id: str, conversation_id: str, revision: int, queue_id: str, assignee_id: str
    ) -> None:
        await self._checkpoint()
        it = self.documents.get(conversation_id)
        if it and it.lane.tenant_id == tenant_id and it.task_revision < revision:
            self.documents[it.id] = replace(
                it,
                task_revision=revision,
                queue_id=queue_id or it.queue_id,
                assignee_id=assignee_id,
                version=it.version + 1,
            )

    async def holding(self, conversation_ids: Sequence[str]) -> list[Conversation]:
        await self._checkpoint()
        these = map(self.documents.__getitem__, conversation_ids)
        return [it for it in these if it.staged]


class FakeMessages:
    def __init__(self, checkpoint: Checkpoint = passed) -> None:
        self.documents: dict[str, tuple[str, Message]] = {}
        self._checkpoint = checkpoint

    async def get(self, tenant_id: str, message_id: str) -> Message | None:
        await self._checkpoint()
        return self.documents[message_id][1] if message_id in self.documents else None

    async def inbound(self, tenant_id: str, message_id: str, former_id: str) -> Stored | None:
        await self._checkpoint()
        found = self.documents.get(message_id) or self.documents.get(former_id)
        return found and Stored(*found)

    async def keep(self, staged: Sequence[tuple[Conversation, Message]]) -> None:
        await self._checkpoint()
        for it, each in staged:
            owner, known = self.documents.setdefault(each.id, (it.id, each))
            if each.moved and owner == it.continues:
                moved = replace(known, arrival=each.arrival)
                self.documents[each.id] = (it.id, moved)
            await self._checkpoint()

    async def among(self, tenant_id: str, message_ids: Sequence[str]) -> list[Message]:
        await self._checkpoint()
        return [self.documents[each][1] for each in message_ids if each in self.documents]

    async def unseen(self, it: Conversation, seen: Seen, most: int) -> list[Message]:
        await self._checkpoint()
        unseen = sorted(
            (
                each
                for owner, each in self.documents.values()
                if owner == it.id
                and each.direction is Direction.INBOUND
                and each.arrival > seen.arrival
                and (seen.until is None or each.arrived_at > seen.until)
            ),
            key=lambda each: each.arrival,
        )
        return unseen[-most:]

    async def after(self, it: Conversation, place: Place | None, most: int) -> list[Message]:
        await self._checkpoint()
        mine = [each for owner, each in self.documents.values() if owner == it.id]
        behind = [each for each in mine if place is None or each.place > place]
        return sorted(behind, key=lambda each: each.place)[:most]

    async def merge_delivery(
        self, tenant_id: str, message_id: str, delivery: Delivery, cause: str
    ) -> bool:
        await self._checkpoint()
        owner, it = self.documents.get(message_id, ("", None))
        if it is None or it.delivery >= delivery:
            return False
        cause = cause if delivery is Delivery.FAILED else ""
        self.documents[message_id] = (owner, replace(it, delivery=delivery, delivery_cause=cause))
        return True


class FakeContacts:
    """Knows whom it has heard of; `everyone_is_new` is what two replicas at once may be told."""

    def __init__(self) -> None:
        self.everyone_is_new = False
        self._heard: set[str] = set()

    async def resolve(self, sender: Sender) -> Known:
        await asyncio.sleep(0)
        new = self.everyone_is_new or sender.address not in self._heard
        self._heard.add(sender.address)
        return Known(f"contact-of-{sender.address}", new)


@dataclass
class Ids:
    made: int = 0

    def __call__(self) -> str:
        self.made += 1
        return f"conv-{self.made}"


@dataclass
class Clock:
    now: datetime = NINE

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Desk:
    """The use cases of one replica over stores that several may share."""

    conversations: FakeConversations = field(default_factory=FakeConversations)
    messages: FakeMessages = field(default_factory=FakeMessages)
    clock: Clock = field(default_factory=Clock)
    ids: Ids = field(default_factory=Ids)
    pauses: tuple[float, ...] = ()
    contacts: FakeContacts = field(default_factory=FakeContacts)

    def __post_init__(self) -> None:
        self.facts = Facts()
        assignments = Assignments(self.conversations, self.facts, self.pauses)
        self.store = StoreStaged(self.conversations, self.messages)
        self.go_on = Continue(self.conversations, self.messages, self.store, self.ids)
        self.append = AppendMessage(
            self.contacts,
            self.conversations,
            self.messages,
            self.store,
            self.go_on,
            self.clock,
            self.ids,
        )
        self.note = NoteTask(self.conversations, self.facts)
        self.ended = EndWithTask(
            self.conversations, self.messages, self.store, self.go_on, self.clock
        )
        self.merge = MergeDelivery(self.conversations, self.messages, self.store)
        self.read = ReadConversation(self.conversations)
        self.thread = ReadMessages(self.read, self.messages)
        self.reply = Reply(self.conversations, self.messages, self.store, assignments, self.clock)
        self.closed = Close(self.conversations, self.store, self.go_on, assignments, self.clock)

    async def close(
        self, viewer: Viewer, conversation_id: str, request_id: str, seen: int = 0
    ) -> Conversation:
        it, _ = await self.closed(viewer, conversation_id, request_id, Seen(seen))
        return it

    async def end(
        self,
        tenant_id: str,
        task_id: str,
        farewell: str = "",
        decided_at: datetime | None = None,
    ) -> None:
        await self.ended(tenant_id, task_id, decided_at or self.clock(), farewell=farewell)

    async def latest(self) -> Conversation:
        latest = await self.conversations.latest_in(LANE)
        assert latest is not None
        return latest

    async def held(self, user_id: str = "ana") -> Conversation:
        """Return a conversation with one message that the user holds."""
        await self.append(received("p-1"))
        it = await self.latest()
        await self.note("acme", it.id, 1, "sales", user_id)
        return await self.latest()


def received(
    provider_id: str,
    text: str = "hola",
    sent_at: datetime | None = None,
    address: str = "visitor",
) -> Received:
    return Received(
        Sender("acme", "webchat", "shop", address, "Vera"),
        Incoming(
            message_id=inbound_id("acme", "shop", address, provider_id),
            former_id=former_inbound_id("acme", "shop", provider_id),
            text=text,
            sent_at=sent_at,
            sender_address=address,
            channel="webchat",
            queue_id="sales",
        ),
    )


def agent(user_id: str = "ana", *queues: str) -> Viewer:
    return Viewer("acme", user_id, Rank.AGENT, frozenset(queues))


OWNER = Viewer("acme", "olga", Rank.OWNER)
