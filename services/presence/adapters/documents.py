"""Presences, their changes and calls as documents."""

from collections.abc import Mapping
from typing import Any

from services.presence.domain.bans import Ban, WayBack
from services.presence.domain.calls import Call, Hold, Ring
from services.presence.domain.history import Change
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.domain.status import Badge, Cause, Channel, Stage, Status

Document = dict[str, Any]
Found = Mapping[str, Any]


def key(owner: Key) -> str:
    """Name the document of a tenant's user, or of a tenant's task."""
    return "/".join(owner)


def from_presence(it: Presence) -> Document:
    return {
        "tenant_id": it.tenant_id,
        "user_id": it.user_id,
        "connected": it.connected,
        "left_at": it.left_at,
        "intent": _from_badge(it.intent),
        "next": None if it.next is None else _from_badge(it.next),
        "next_by": it.next_by,
        "channels": [int(channel) for channel in it.channels],
        "stage": int(it.stage),
        "ban": None if it.ban is None else _from_ban(it.ban),
        "refused": it.refused,
        "refusals": list(it.refusals),
        "ready_since": it.ready_since,
        "since": it.since,
        "at": it.at,
        "cause": int(it.cause),
        "actor_id": it.actor_id,
        "version": it.version,
        "user_version": it.user_version,
    }


def to_presence(found: Found) -> Presence:
    return Presence(
        found["tenant_id"],
        found["user_id"],
        connected=found["connected"],
        left_at=found["left_at"],
        intent=_to_badge(found["intent"]),
        next=None if found["next"] is None else _to_badge(found["next"]),
        next_by=found["next_by"],
        channels=tuple(Channel(channel) for channel in found["channels"]),
        stage=Stage(found["stage"]),
        ban=None if found["ban"] is None else _to_ban(found["ban"]),
        refused=found["refused"],
        refusals=tuple(found["refusals"]),
        ready_since=found.get("ready_since"),
        since=found["since"],
        at=found["at"],
        cause=Cause(found["cause"]),
        actor_id=found["actor_id"],
        version=found["version"],
        user_version=found.get("user_version", 0),
    )


def from_change(it: Change) -> Document:
    return {
        "_id": f"{key((it.tenant_id, it.user_id))}/{it.version}",
        "tenant_id": it.tenant_id,
        "user_id": it.user_id,
        "version": it.version,
        "at": it.at,
        "badge": _from_badge(it.badge),
        "cause": int(it.cause),
        "actor_id": it.actor_id,
    }


def to_change(found: Found) -> Change:
    return Change(
        found["tenant_id"],
        found["user_id"],
        found["version"],
        found["at"],
        _to_badge(found["badge"]),
        Cause(found["cause"]),
        found["actor_id"],
    )


def from_call(it: Call) -> Document:
    return {
        "tenant_id": it.tenant_id,
        "task_id": it.task_id,
        "rings": [
            {"agent_id": agent_id, "rings": ring.rings, "revision": ring.revision}
            for agent_id, ring in it.rings.items()
        ],
        "hold": {
            "agent_id": it.hold.agent_id,
            "stage": int(it.hold.stage),
            "revision": it.hold.revision,
        },
        "busy": sorted(it.busy),
    }


def to_call(found: Found) -> Call:
    hold = found["hold"]
    return Call(
        found["tenant_id"],
        found["task_id"],
        {ring["agent_id"]: Ring(ring["rings"], ring["revision"]) for ring in found["rings"]},
        Hold(hold["agent_id"], Stage(hold["stage"]), hold["revision"]),
        found["version"],
    )


def _from_badge(it: Badge) -> Document:
    return {"status": int(it.status), "custom_status_id": it.custom_status_id}


def _to_badge(found: Found) -> Badge:
    return Badge(Status(found["status"]), found["custom_status_id"])


def _from_ban(it: Ban) -> Document:
    # A sparse index holds those that end by themselves only.
    until = {} if it.until is None else {"until": it.until}
    return {"cause": int(it.cause), "way_back": int(it.way_back), **until}


def _to_ban(found: Found) -> Ban:
    return Ban(Cause(found["cause"]), WayBack(found["way_back"]), found.get("until"))
