"""The thread of messages with one contact on one channel account. Values in, values out.

A decision is a method that returns what happened or refuses; `apply` is the only way a
conversation changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .errors import ConversationClosed, NotYours, RequestIdReused
from .events import Appended, Closed, Event, Opened, ReplyRequested
from .message import Direction, Message, farewell_id, placed, reply_id

REUSED = "Something else was done under this request_id. Make a new one for each request."


@dataclass(frozen=True, slots=True)
class Lane:
    """At most one conversation of a lane is open at any time."""

    tenant_id: str
    channel_account_id: str
    contact_id: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A customer's message as it came: whose it is decides the lane, not this.

    `former_id` is what an older version stored it under.
    """

    message_id: str
    former_id: str
    text: str
    sent_at: datetime | None
    sender_address: str
    channel: str
    queue_id: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """`version` is that of the stored document; 0 means it is not stored yet.

    `ordinal` numbers the conversations of a lane from 1 without gaps. `staged` are messages
    that are part of the conversation but not yet documents of their own. `continues` is the
    conversation before it, if its first messages crossed the close of that one.
    """

    id: str
    lane: Lane
    ordinal: int
    channel: str
    queue_id: str
    recipient_address: str
    opened_at: datetime
    assignee_id: str = ""
    task_revision: int = 0
    closed: Closed | None = None
    message_count: int = 0
    staged: tuple[Message, ...] = ()
    version: int = 0
    continues: str = ""

    def receive(self, incoming: Incoming, now: datetime) -> tuple[Event, ...]:
        """Append the customer's message; the first one opens the conversation."""
        self._insist_on_open()
        appended = Appended(
            Message(
                id=incoming.message_id,
                direction=Direction.INBOUND,
                text=incoming.text,
                sent_at=placed(incoming.sent_at, now),
                arrived_at=now,
                arrival=self.message_count + 1,
            )
        )
        return (appended,) if self.message_count else (Opened(self.opened_at), appended)

    def reply(self, agent_id: str, request_id: str, text: str, now: datetime) -> tuple[Event, ...]:
        """Append the assignee's answer and ask for its delivery."""
        self._insist_on_open()
        self.insist_on_assignee(agent_id)
        message_id = reply_id(self.lane.tenant_id, self.id, agent_id, request_id)
        return self._send(message_id, agent_id, text, now)

    def take_leave(self, words: str, now: datetime) -> tuple[Event, ...]:
        """Append what the tenant has the customer told at the end, and ask for its delivery."""
        self._insist_on_open()
        return self._send(farewell_id(self.lane.tenant_id, self.id), "", words, now)

    def _send(self, message_id: str, author_id: str, text: str, now: datetime) -> tuple[Event, ...]:
        message = Message(
            id=message_id,
            direction=Direction.OUTBOUND,
            author_id=author_id,
            text=text,
            sent_at=now,
            arrived_at=now,
            arrival=self.message_count + 1,
        )
        return Appended(message), ReplyRequested(message)

    def close(
        self,
        by: str,
        request_id: str,
        now: datetime,
        crossed: Sequence[Message] = (),
        seen: int | None = None,
    ) -> tuple[Event, ...]:
        """End it. `by` and `request_id` are empty when the system does.

        `crossed` are messages that nobody has seen: they are of the next conversation.
        """
        self._insist_on_open()
        return (Closed(by, request_id, now, tuple(each.id for each in crossed), seen),)

    def take_over(self, crossed: Sequence[Message], last_agent_id: str) -> tuple[Event, ...]:
        """Open it with the messages that crossed the close of the one before."""
        moved = (
            replace(message, moved=True, arrival=arrival)
            for arrival, message in enumerate(crossed, 1)
        )
        return Opened(self.opened_at, last_agent_id), *map(Appended, moved)

    def announce(self) -> tuple[Event, ...]:
        """Tell the router of it anew, because it knows no task of it: so nobody holds it."""
        self._insist_on_open()
        return (Opened(self.opened_at, self.assignee_id),)

    def was_closed_by(self, user_id: str, request_id: str, seen: int) -> bool:
        """Tell whether this very request closed it, so that a repeat is answered alike.

        RequestIdReused: one with its id did, which had seen less or more.
        """
        was = self.closed
        if was is None or (was.by, was.request_id) != (user_id, request_id):
            return False
        if was.seen not in {None, seen}:
            raise RequestIdReused(REUSED, conversationId=self.id)
        return True

    @property
    def crossed(self) -> tuple[str, ...]:
        """Return the messages that crossed its close, which are of the next one."""
        return self.closed.crossed if self.closed else ()

    def insist_on_assignee(self, user_id: str) -> None:
        if self.assignee_id != user_id:
            raise NotYours(
                "Only its assignee may do this; accept it first.", conversationId=self.id
            )

    def insist_on_same(self, sent: Message, text: str) -> Message:
        """Return what a request sent before; RequestIdReused: it says something else now."""
        if sent.text != text:
            raise RequestIdReused(REUSED, conversationId=self.id)
        return sent

    def holds(self, message_id: str) -> Message | None:
        """Return a staged message. None says only that it is not staged (any more)."""
        return next((each for each in self.staged if each.id == message_id), None)

    def apply(self, *events: Event) -> "Conversation":
        """Return what is stored once these are saved, in one write."""
        after = replace(self, version=self.version + 1)
        for event in events:
            match event:
                case Appended(message=message):
                    staged = (*after.staged, message)
                    after = replace(after, message_count=message.arrival, staged=staged)
                case Closed():
                    after = replace(after, closed=event)
                case Opened():
                    after = replace(after, task_revision=0, assignee_id="")
                case ReplyRequested():
                    pass
        return after

    def _insist_on_open(self) -> None:
        if self.closed:
            raise ConversationClosed(
                "It is closed; the customer's next message opens a new one.",
                conversationId=self.id,
            )


def continuing(
    conversation_id: str, closed: Conversation, crossed: Sequence[Message]
) -> Conversation:
    """Return the conversation that begins with what crossed the close of another.

    It waits since the first of these came, where the other was last.
    """
    return Conversation(
        id=conversation_id,
        lane=closed.lane,
        ordinal=closed.ordinal + 1,
        channel=closed.channel,
        queue_id=closed.queue_id,
        recipient_address=closed.recipient_address,
        opened_at=crossed[0].arrived_at,
        continues=closed.id,
    )


def opening(
    conversation_id: str, lane: Lane, ordinal: int, incoming: Incoming, now: datetime
) -> Conversation:
    """Return the conversation that a lane's first message, or the first since the last, opens."""
    return Conversation(
        id=conversation_id,
        lane=lane,
        ordinal=ordinal,
        channel=incoming.channel,
        queue_id=incoming.queue_id,
        recipient_address=incoming.sender_address,
        opened_at=now,
    )
