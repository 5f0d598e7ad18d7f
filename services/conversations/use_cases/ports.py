"""What the use cases need from outside."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from services.conversations.domain.conversation import Conversation, Lane
from services.conversations.domain.events import Event
from services.conversations.domain.message import Delivery, Message, Place, Seen
from services.conversations.domain.received import Known, Sender


class Contacts(Protocol):
    async def resolve(self, sender: Sender) -> Known:
        """Return the contact; raise Unusable when no contact can have such an identity."""
        ...


class Conversations(Protocol):
    async def latest_in(self, lane: Lane) -> Conversation | None: ...

    def open_since(
        self, moment: datetime, at_once: int
    ) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield tenant and id of all that are open and were opened before, the oldest first."""
        ...

    async def closed_among(
        self, tenant_id: str, conversation_ids: Sequence[str]
    ) -> Sequence[Conversation]: ...

    async def tell_close(self, it: Conversation) -> None:
        """Tell the others again that it is closed."""
        ...

    async def following(self, it: Conversation) -> Conversation | None:
        """Return the next one of its lane."""
        ...

    async def crossing(self, most: int) -> Sequence[Conversation]:
        """Return closed ones whose crossed messages may not have begun the next one yet."""
        ...

    async def continued(self, conversation_id: str) -> None:
        """Take down that what crossed its close is in the next one."""
        ...

    async def open_with(
        self, tenant_id: str, channel_account_id: str, address: str
    ) -> Conversation | None:
        """Return the open one whose replies go to this address of the account."""
        ...

    async def open_on(self, tenant_id: str, channel_account_id: str) -> int:
        """Count the open ones of an account."""
        ...

    async def get(self, tenant_id: str, conversation_id: str) -> Conversation:
        """Return it, or raise ConversationNotFound."""
        ...

    async def save(self, it: Conversation, *events: Event) -> None:
        """Write what happened to `it` and tell the others, or raise Stale and do neither."""
        ...

    async def unstage(self, conversation_ids: Sequence[str], message_ids: Sequence[str]) -> None:
        """Drop these messages from the documents of these conversations."""
        ...

    async def note_task(
        self, tenant_id: str, conversation_id: str, revision: int, queue_id: str, assignee_id: str
    ) -> None:
        """Take what the router decided, unless something later is known. Unknown ids are fine."""
        ...

    async def holding(self, conversation_ids: Sequence[str]) -> list[Conversation]:
        """Return those of these that hold staged messages."""
        ...


class Stored(NamedTuple):
    """A message that is a document of its own."""

    conversation_id: str
    message: Message


class Messages(Protocol):
    async def get(self, tenant_id: str, message_id: str) -> Message | None: ...

    async def inbound(self, tenant_id: str, message_id: str, former_id: str) -> Stored | None:
        """Return the message of this id, or else of the former one."""
        ...

    async def keep(self, staged: Sequence[tuple[Conversation, Message]]) -> None:
        """Make documents of them; what is there already stays as it is."""
        ...

    async def among(self, tenant_id: str, message_ids: Sequence[str]) -> Sequence[Message]:
        """Return those of these that are there, in the order of their ids here."""
        ...

    async def unseen(self, it: Conversation, seen: Seen, most: int) -> Sequence[Message]:
        """Return the last that the customer wrote beyond what is seen, as it arrived."""
        ...

    async def after(self, it: Conversation, place: Place | None, most: int) -> list[Message]:
        """Return the next messages of the thread behind `place`, in order."""
        ...

    async def merge_delivery(
        self, tenant_id: str, message_id: str, delivery: Delivery, cause: str
    ) -> bool:
        """Raise the delivery of a reply to this; False when it is not lower, or not there."""
        ...


class Memberships(Protocol):
    def queues_of(self, tenant_id: str, user_id: str) -> frozenset[str]: ...

    async def renew(self, tenant_id: str) -> None:
        """Take what was said of users in the last moments, before a refusal that rests on it."""
        ...
