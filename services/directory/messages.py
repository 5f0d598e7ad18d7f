"""The directory's values as the protos have them, and back. Both the API and the bus speak it."""

from datetime import timedelta
from typing import TypeVar

from centralita.directory.v1 import events_pb2, resources_pb2
from centralita.options.v1 import options_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from .domain import fields
from .domain.channel_account import Channel, ChannelAccount
from .domain.errors import FieldInvalid
from .domain.group import Group
from .domain.queue import USUAL_OFFER, USUAL_PRIORITY, AgentSelection, Queue
from .domain.slot import Slot
from .domain.tenant import Tenant
from .domain.user import Role, User

T = TypeVar("T")


def value_of(slot: Slot[T]) -> T:
    """Return what is in a slot that is known to be filled."""
    if slot.value is None:
        raise ValueError("The slot is empty.")
    return slot.value


def required(request: Message, field: str) -> None:
    if not request.HasField(field):
        raise FieldInvalid(field, "required", "send the whole resource.")


def from_tenant(slot: Slot[Tenant]) -> resources_pb2.Tenant:
    return resources_pb2.Tenant(tenant_id=slot.id, display_name=value_of(slot).display_name)


def to_user(tenant_id: str, message: resources_pb2.User) -> Slot[User]:
    user = User(
        email=message.email,
        display_name=message.display_name,
        role=fields.member("user.role", Role, message.role),
        queue_ids=tuple(message.queue_ids),
        chat_capacity=message.chat_capacity,
    )
    return Slot(tenant_id, message.user_id, user)


def from_user(slot: Slot[User]) -> resources_pb2.User:
    user = value_of(slot)
    return resources_pb2.User(
        user_id=slot.id,
        email=user.email,
        display_name=user.display_name,
        role=from_role(user.role),
        queue_ids=user.queue_ids,
        chat_capacity=user.chat_capacity,
        version=slot.version,
    )


def to_queue(tenant_id: str, message: resources_pb2.Queue) -> Slot[Queue]:
    chosen = message.agent_selection or AgentSelection.LONGEST_IDLE
    ring = message.offer_timeout
    queue = Queue(
        display_name=message.display_name,
        agent_selection=fields.member("queue.agent_selection", AgentSelection, chosen),
        offer_timeout=_timedelta(ring) if message.HasField("offer_timeout") else USUAL_OFFER,
        priority=message.priority or USUAL_PRIORITY,
    )
    return Slot(tenant_id, message.queue_id, queue)


def from_queue(slot: Slot[Queue]) -> resources_pb2.Queue:
    queue = value_of(slot)
    return resources_pb2.Queue(
        queue_id=slot.id,
        display_name=queue.display_name,
        agent_selection=resources_pb2.AgentSelection.ValueType(queue.agent_selection),
        offer_timeout=duration(queue.offer_timeout),
        priority=queue.priority,
        version=slot.version,
    )


def to_group(tenant_id: str, message: resources_pb2.Group) -> Slot[Group]:
    return Slot(tenant_id, message.group_id, Group(message.display_name, tuple(message.user_ids)))


def from_group(slot: Slot[Group]) -> resources_pb2.Group:
    group = value_of(slot)
    return resources_pb2.Group(
        group_id=slot.id,
        display_name=group.display_name,
        user_ids=group.user_ids,
        version=slot.version,
    )


def to_channel_account(
    tenant_id: str, message: resources_pb2.ChannelAccount
) -> Slot[ChannelAccount]:
    account = ChannelAccount(
        channel=fields.member("channel_account.channel", Channel, message.channel),
        display_name=message.display_name,
        queue_id=message.queue_id,
        callback_url=message.callback_url,
        allowed_origins=tuple(message.allowed_origins),
    )
    return Slot(tenant_id, message.channel_account_id, account)


def from_channel_account(slot: Slot[ChannelAccount]) -> resources_pb2.ChannelAccount:
    """Build the account without its secrets, which no message but two answers carries."""
    account = value_of(slot)
    return resources_pb2.ChannelAccount(
        channel_account_id=slot.id,
        channel=resources_pb2.Channel.ValueType(account.channel),
        display_name=account.display_name,
        queue_id=account.queue_id,
        callback_url=account.callback_url,
        allowed_origins=account.allowed_origins,
        version=slot.version,
    )


def from_role(role: Role) -> options_pb2.Role.ValueType:
    return options_pb2.Role.ValueType(role)


def duration(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


def user_changed(slot: Slot[User]) -> events_pb2.UserChanged:
    event = events_pb2.UserChanged(
        tenant_id=slot.tenant_id, user_id=slot.id, version=slot.version, removed=slot.value is None
    )
    if slot.value is not None:
        event.role = from_role(slot.value.role)
        event.queue_ids.extend(slot.value.queue_ids)
        event.chat_capacity = slot.value.chat_capacity
    return event


def queue_changed(slot: Slot[Queue]) -> events_pb2.QueueChanged:
    return events_pb2.QueueChanged(
        tenant_id=slot.tenant_id,
        queue_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        queue=from_queue(slot) if slot.value is not None else None,
    )


def group_changed(slot: Slot[Group]) -> events_pb2.GroupChanged:
    return events_pb2.GroupChanged(
        tenant_id=slot.tenant_id,
        group_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        group=from_group(slot) if slot.value is not None else None,
    )


def channel_account_changed(slot: Slot[ChannelAccount]) -> events_pb2.ChannelAccountChanged:
    return events_pb2.ChannelAccountChanged(
        tenant_id=slot.tenant_id,
        channel_account_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        channel_account=from_channel_account(slot) if slot.value is not None else None,
    )


def _timedelta(message: Duration) -> timedelta:
    """Return the span in whole milliseconds; absurd ones become merely too long or too short."""
    seconds = max(-1, min(message.seconds, 10_000_000))
    return timedelta(seconds=seconds, milliseconds=message.nanos // 1_000_000)
