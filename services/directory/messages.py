"""The directory's values as the protos have them, and back. Both the API and the bus speak it."""

from collections.abc import Iterable
from typing import TypeVar

from centralita.directory.v1 import events_pb2, resources_pb2
from centralita.options.v1 import options_pb2
from google.protobuf.message import Message

from . import queue_messages
from .domain import fields
from .domain.channel_account import Channel, ChannelAccount
from .domain.errors import FieldInvalid
from .domain.group import Group, RingStrategy
from .domain.presence_policy import CustomStatus, PresencePolicy, WayBack
from .domain.queue import USUAL_PAUSE, USUAL_RING, Queue
from .domain.routing import SkillLevel, TaskChannel
from .domain.sign_in import Session
from .domain.slot import Slot
from .domain.tenant import Tenant
from .domain.user import MAX_CHATS, Capacity, Role, User
from .durations import duration, timedelta_of

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
        capacity=_to_capacity(message),
        skills=tuple(SkillLevel(it.skill_id, it.level) for it in message.skills),
        channels=tuple(
            queue_messages.to_task_channel("user.channels", it) for it in message.channels
        ),
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
        chat_capacity=user.capacity.chats or 0,
        version=slot.version,
        skills=_from_skills(user.skills),
        channels=_from_channels(user.channels),
        capacity=_from_capacity(user.capacity),
    )


def to_queue(tenant_id: str, message: resources_pb2.Queue) -> Slot[Queue]:
    return Slot(tenant_id, message.queue_id, queue_messages.to_queue(message))


def from_queue(slot: Slot[Queue]) -> resources_pb2.Queue:
    return queue_messages.from_queue(slot.id, slot.version, value_of(slot))


def to_group(tenant_id: str, message: resources_pb2.Group) -> Slot[Group]:
    rings, pause = message.ring_timeout, message.ask_again_after
    chosen = message.ring_strategy or RingStrategy.SIMULTANEOUS
    group = Group(
        display_name=message.display_name,
        user_ids=tuple(message.user_ids),
        ring_strategy=fields.member("group.ring_strategy", RingStrategy, chosen),
        ring_timeout=timedelta_of(rings) if message.HasField("ring_timeout") else USUAL_RING,
        ask_again_after=(
            timedelta_of(pause) if message.HasField("ask_again_after") else USUAL_PAUSE
        ),
    )
    return Slot(tenant_id, message.group_id, group)


def from_group(slot: Slot[Group]) -> resources_pb2.Group:
    group = value_of(slot)
    return resources_pb2.Group(
        group_id=slot.id,
        display_name=group.display_name,
        user_ids=group.user_ids,
        version=slot.version,
        ring_strategy=resources_pb2.RingStrategy.ValueType(group.ring_strategy),
        ring_timeout=duration(group.ring_timeout),
        ask_again_after=duration(group.ask_again_after),
        removing_to=group.removing_to,
    )


def to_presence_policy(
    tenant_id: str, message: resources_pb2.PresencePolicy
) -> Slot[PresencePolicy]:
    chosen = message.way_back or WayBack.OWN_CHOICE
    policy = PresencePolicy(
        custom_statuses=tuple(
            CustomStatus(
                status_id=it.status_id,
                display_name=it.display_name,
                remind_after=timedelta_of(it.remind_after) if it.HasField("remind_after") else None,
            )
            for it in message.custom_statuses
        ),
        banned_after=message.banned_after or PresencePolicy().banned_after,
        way_back=fields.member("presence_policy.way_back", WayBack, chosen),
        cool_down=timedelta_of(message.cool_down) if message.HasField("cool_down") else None,
        chat_capacity=message.chat_capacity or PresencePolicy().chat_capacity,
    )
    return Slot(tenant_id, tenant_id, policy)


def from_presence_policy(slot: Slot[PresencePolicy]) -> resources_pb2.PresencePolicy:
    policy = value_of(slot)
    return resources_pb2.PresencePolicy(
        custom_statuses=[
            resources_pb2.CustomStatus(
                status_id=it.status_id,
                display_name=it.display_name,
                remind_after=duration(it.remind_after) if it.remind_after is not None else None,
            )
            for it in policy.custom_statuses
        ],
        banned_after=policy.banned_after,
        way_back=resources_pb2.WayBack.ValueType(policy.way_back),
        cool_down=duration(policy.cool_down) if policy.cool_down is not None else None,
        version=slot.version,
        chat_capacity=policy.chat_capacity,
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


def user_changed(slot: Slot[User]) -> events_pb2.UserChanged:
    event = events_pb2.UserChanged(
        tenant_id=slot.tenant_id, user_id=slot.id, version=slot.version, removed=slot.value is None
    )
    if slot.value is not None:
        event.role = from_role(slot.value.role)
        event.queue_ids.extend(slot.value.queue_ids)
        event.chat_capacity = slot.value.capacity.chats or 0
        event.capacity.CopyFrom(_from_capacity(slot.value.capacity))
        event.skills.extend(_from_skills(slot.value.skills))
        event.channels.extend(_from_channels(slot.value.channels))
        event.incarnation = slot.incarnation
    return event


def queue_changed(slot: Slot[Queue]) -> events_pb2.QueueChanged:
    return events_pb2.QueueChanged(
        tenant_id=slot.tenant_id,
        queue_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        queue=from_queue(slot) if slot.value is not None else None,
        incarnation=slot.incarnation,
    )


def group_changed(slot: Slot[Group]) -> events_pb2.GroupChanged:
    return events_pb2.GroupChanged(
        tenant_id=slot.tenant_id,
        group_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        group=from_group(slot) if slot.value is not None else None,
        incarnation=slot.incarnation,
    )


def channel_account_changed(slot: Slot[ChannelAccount]) -> events_pb2.ChannelAccountChanged:
    return events_pb2.ChannelAccountChanged(
        tenant_id=slot.tenant_id,
        channel_account_id=slot.id,
        version=slot.version,
        removed=slot.value is None,
        channel_account=from_channel_account(slot) if slot.value is not None else None,
        incarnation=slot.incarnation,
    )


def session_ended(session: Session) -> events_pb2.SessionEnded:
    return events_pb2.SessionEnded(
        tenant_id=session.tenant_id, user_id=session.user_id, session_id=session.id
    )


def presence_policy_changed(slot: Slot[PresencePolicy]) -> events_pb2.PresencePolicyChanged:
    return events_pb2.PresencePolicyChanged(
        tenant_id=slot.tenant_id, version=slot.version, policy=from_presence_policy(slot)
    )


def _to_capacity(message: resources_pb2.User) -> Capacity:
    """Read how much a user takes; the number of before said no more than how many chats."""
    said, of_before = message.capacity, message.chat_capacity
    if not message.HasField("capacity"):
        return Capacity(chats=fields.number("user.chat_capacity", of_before, 0, MAX_CHATS) or None)
    if of_before not in {0, said.chats}:
        raise FieldInvalid("user.chat_capacity", "once", "send user.capacity.chats alone.")
    return Capacity(
        chats=said.chats if said.HasField("chats") else None,
        calls=said.calls if said.HasField("calls") else None,
    )


def _from_capacity(capacity: Capacity) -> resources_pb2.Capacity:
    return resources_pb2.Capacity(chats=capacity.chats, calls=capacity.calls)


def _from_skills(skills: Iterable[SkillLevel]) -> list[resources_pb2.SkillLevel]:
    return [resources_pb2.SkillLevel(skill_id=it.skill_id, level=it.level) for it in skills]


def _from_channels(
    channels: Iterable[TaskChannel],
) -> list[resources_pb2.TaskChannel.ValueType]:
    return [resources_pb2.TaskChannel.ValueType(it) for it in channels]
