"""The wire shape of presences, of the policy, and of leases in their bucket."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from centralita.directory.v1.events_pb2 import PresencePolicyChanged, UserChanged
from centralita.presence.v1.events_pb2 import PresenceChanged
from centralita.presence.v1.presence_service_pb2 import Ban as BanMessage
from centralita.presence.v1.presence_service_pb2 import Change as ChangeMessage
from centralita.presence.v1.presence_service_pb2 import DayInStatus, TimeInStatus
from centralita.presence.v1.presence_service_pb2 import Presence as PresenceMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.ids import is_token

from .domain.bans import USUAL, Ban, Policy, WayBack
from .domain.eligibility import Ability, Hindrance
from .domain.history import Change, Day
from .domain.leases import Key
from .domain.presence import Presence
from .domain.status import Badge, Channel

LEASES = "KV_presence-leases"
"""The stream behind the bucket."""
SESSION = "Centralita-Session"
"""The header of a lease that names the sign-in it was taken with."""
_PREFIX = "$KV.presence-leases."


def presence_changed(it: Presence) -> PresenceChanged:
    badge, following = it.badge, it.next
    return PresenceChanged(
        tenant_id=it.tenant_id,
        user_id=it.user_id,
        version=it.version,
        status=badge.status.value,  # type: ignore[arg-type] # the same numbers
        connected=it.connected,
        receive_new=it.receive_new,
        since=_stamp(it.since),
        cause=it.cause.value,  # type: ignore[arg-type] # the same numbers
        custom_status_id=badge.custom_status_id,
        channels=it.channels,  # type: ignore[arg-type] # the same numbers
        next_status=following.status.value if following else 0,  # type: ignore[arg-type] # the same numbers
        next_custom_status_id=following.custom_status_id if following else "",
        ready_since=_stamp(it.ready_since),
    )


def from_presence(it: Presence, why_nothing: Hindrance = Hindrance.NONE) -> PresenceMessage:
    badge, following = it.badge, it.next
    return PresenceMessage(
        user_id=it.user_id,
        status=badge.status.value,  # type: ignore[arg-type] # the same numbers
        since=_stamp(it.since),
        receive_new=it.receive_new,
        connected=it.connected,
        version=it.version,
        custom_status_id=badge.custom_status_id,
        channels=it.channels,  # type: ignore[arg-type] # the same numbers
        next_status=following.status.value if following else 0,  # type: ignore[arg-type] # the same numbers
        next_custom_status_id=following.custom_status_id if following else "",
        cause=it.cause.value,  # type: ignore[arg-type] # the same numbers
        ban=None if it.ban is None else _from_ban(it.ban),
        cannot_receive=why_nothing.value,  # type: ignore[arg-type] # the same numbers
    )


def from_change(it: Change) -> ChangeMessage:
    return ChangeMessage(
        at=_stamp(it.at),
        status=it.badge.status.value,  # type: ignore[arg-type] # the same numbers
        custom_status_id=it.badge.custom_status_id,
        cause=it.cause.value,  # type: ignore[arg-type] # the same numbers
        actor_id=it.actor_id,
        version=it.version,
    )


def from_day(day: Day, times: Mapping[Badge, timedelta]) -> DayInStatus:
    in_order = sorted(times, key=lambda badge: (badge.status, badge.custom_status_id))
    return DayInStatus(
        day=day.date.isoformat(),
        times=[
            TimeInStatus(
                status=badge.status.value,  # type: ignore[arg-type] # the same numbers
                custom_status_id=badge.custom_status_id,
                time=duration(times[badge]),
            )
            for badge in in_order
        ],
    )


def policy_of(event: PresencePolicyChanged) -> Policy:
    """Read a policy. What it leaves unset is as in a tenant without one."""
    policy = event.policy
    return Policy(
        frozenset(status.status_id for status in policy.custom_statuses),
        policy.banned_after or USUAL.banned_after,
        WayBack(policy.way_back or USUAL.way_back),
        policy.cool_down.ToTimedelta(),
    )


def ability_of(event: UserChanged) -> Ability:
    """Read what a user can be given: of what they can work on, what they have capacity for."""
    chats = event.chat_capacity or None  # of before: 0 is unset
    takes = {Channel(it) for it in event.channels} or set(Channel)
    if event.HasField("capacity"):
        chats = event.capacity.chats if event.capacity.HasField("chats") else None
        if event.capacity.HasField("calls") and not event.capacity.calls:
            takes.discard(Channel.CALL)
    if chats == 0:
        takes.discard(Channel.CHAT)
        if Channel.CALL not in takes:
            takes.clear()
    return Ability(bool(event.queue_ids), frozenset(takes))


def duration(span: timedelta) -> Duration:
    made = Duration()
    made.FromTimedelta(span)
    return made


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _from_ban(it: Ban) -> BanMessage:
    return BanMessage(
        cause=it.cause.value,  # type: ignore[arg-type] # the same numbers
        way_back=it.way_back.value,  # type: ignore[arg-type] # the same numbers
        ends_at=_stamp(it.until),
    )


def _stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def lease_subject(user: Key, device_id: str) -> str:
    """Return the subject of a device's lease, or with * of all of a user's."""
    return f"{_PREFIX}{'.'.join(user)}.{device_id}"


def lease_of(subject: str) -> tuple[Key, str]:
    """Read whose lease it is; ValueError when it is nobody's."""
    tenant_id, user_id, device_id = subject.removeprefix(_PREFIX).split(".")
    if not all(map(is_token, (tenant_id, user_id, device_id))):
        raise ValueError("no device is called so")
    return (tenant_id, user_id), device_id


def is_end(headers: Mapping[str, str]) -> bool:
    """Whether an entry says that there is no lease: given back, or marked when it ran out."""
    return is_goodbye(headers) or "Nats-Marker-Reason" in headers


def is_goodbye(headers: Mapping[str, str]) -> bool:
    """Whether a device gave its lease back."""
    return headers.get("KV-Operation") == "PURGE"
