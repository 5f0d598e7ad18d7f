"""Conversations and messages as documents and back."""

from typing import Any

from services.conversations.domain.conversation import Conversation, Lane
from services.conversations.domain.events import Closed
from services.conversations.domain.message import Delivery, Direction, Message

Document = dict[str, Any]


def to_conversation(document: Document) -> Conversation:
    closed = document["closed"]
    return Conversation(
        id=document["_id"],
        lane=Lane(document["tenant_id"], document["channel_account_id"], document["contact_id"]),
        ordinal=document["ordinal"],
        channel=document["channel"],
        queue_id=document["queue_id"],
        recipient_address=document["recipient_address"],
        opened_at=document["opened_at"],
        assignee_id=document["assignee_id"],
        task_revision=document["task_revision"],
        closed=closed and _to_closed(closed),
        message_count=document["message_count"],
        staged=tuple(_to_staged(each) for each in document["staged"]),
        version=document["version"],
        continues=document.get("continues", ""),
    )


def from_conversation(it: Conversation) -> Document:
    """Return the document of a conversation that is stored for the first time."""
    return {
        "_id": it.id,
        "tenant_id": it.lane.tenant_id,
        "channel_account_id": it.lane.channel_account_id,
        "contact_id": it.lane.contact_id,
        "ordinal": it.ordinal,
        "channel": it.channel,
        "queue_id": it.queue_id,
        "recipient_address": it.recipient_address,
        "opened_at": it.opened_at,
        "assignee_id": it.assignee_id,
        "task_revision": it.task_revision,
        "state": state_of(it),
        "closed": from_closed(it.closed),
        "message_count": it.message_count,
        "staged": [from_staged(each) for each in it.staged],
        "version": it.version,
    } | ({"continues": it.continues} if it.continues else {})


def state_of(it: Conversation) -> str:
    return "closed" if it.closed else "open"


def from_closed(closed: Closed | None) -> Document | None:
    if closed is None:
        return None
    crossed = {"crossed": list(closed.crossed)} if closed.crossed else {}
    seen = {} if closed.seen is None else {"seen": closed.seen}
    return {"by": closed.by, "request_id": closed.request_id, "at": closed.at} | crossed | seen


def _to_closed(closed: Document) -> Closed:
    crossed = tuple(closed.get("crossed", ()))
    return Closed(closed["by"], closed["request_id"], closed["at"], crossed, closed.get("seen"))


def to_message(document: Document) -> Message:
    return Message(
        id=document["_id"],
        delivery=Delivery(document["delivery"]),
        delivery_cause=document["delivery_cause"],
        **_said(document),
    )


def from_message(it: Conversation, message: Message) -> Document:
    """Return the document of a message that is stored for the first time."""
    staged = from_staged(message)
    return {
        "_id": staged.pop("id"),
        "tenant_id": it.lane.tenant_id,
        "conversation_id": it.id,
        **staged,
        "delivery": int(message.delivery),
        "delivery_cause": message.delivery_cause,
    }


def from_staged(message: Message) -> Document:
    return {
        "id": message.id,
        "direction": message.direction.value,
        "author_id": message.author_id,
        "text": message.text,
        "sent_at": message.sent_at,
        "arrived_at": message.arrived_at,
        "arrival": message.arrival,
    } | ({"moved": True} if message.moved else {})


def _to_staged(document: Document) -> Message:
    return Message(id=document["id"], moved=document.get("moved", False), **_said(document))


def _said(document: Document) -> Document:
    return {
        "direction": Direction(document["direction"]),
        "author_id": document["author_id"],
        "text": document["text"],
        "sent_at": document["sent_at"],
        "arrived_at": document["arrived_at"],
        "arrival": document["arrival"],
    }
