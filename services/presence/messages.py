"""The wire shape of presences, and of leases in their bucket."""

from collections.abc import Mapping
from datetime import UTC, datetime

from centralita.presence.v1.events_pb2 import PresenceChanged
from centralita.presence.v1.presence_service_pb2 import Presence as PresenceMessage
from google.protobuf.timestamp_pb2 import Timestamp

from .domain.leases import Key
from .domain.presence import Cause, Presence

LEASES = "KV_presence-leases"
"""The stream behind the bucket."""
_PREFIX = "$KV.presence-leases."


def presence_changed(it: Presence) -> PresenceChanged:
    return PresenceChanged(
        tenant_id=it.tenant_id,
        user_id=it.user_id,
        version=it.version,
        status=it.status.value,  # type: ignore[arg-type] # the same numbers
        connected=it.connected,
        receive_new=it.receive_new,
        since=_stamp(it.since),
        cause=it.cause.value,  # type: ignore[arg-type] # the same numbers
    )


def from_event(event: PresenceChanged) -> Presence:
    """Read an event back; when the agent left is not told on the bus and not needed here."""
    since = event.since.ToDatetime(UTC) if event.HasField("since") else None
    return Presence(
        event.tenant_id,
        event.user_id,
        connected=event.connected,
        receive_new=event.receive_new,
        since=since,
        cause=Cause(event.cause),
        version=event.version,
    )


def from_presence(it: Presence) -> PresenceMessage:
    return PresenceMessage(
        user_id=it.user_id,
        status=it.status.value,  # type: ignore[arg-type] # the same numbers
        since=_stamp(it.since),
        receive_new=it.receive_new,
        connected=it.connected,
        version=it.version,
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
    tenant_id, user_id, device_id = subject.removeprefix(_PREFIX).split(".")
    return (tenant_id, user_id), device_id


def is_end(headers: Mapping[str, str]) -> bool:
    """Whether an entry says that there is no lease: given back, or marked when it ran out."""
    return is_goodbye(headers) or "Nats-Marker-Reason" in headers


def is_goodbye(headers: Mapping[str, str]) -> bool:
    """Whether a device gave its lease back."""
    return headers.get("KV-Operation") == "PURGE"
