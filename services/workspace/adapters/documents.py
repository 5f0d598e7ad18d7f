"""The stored shape of sources and viewers."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from services.workspace.domain.card import CardState, Standing
from services.workspace.domain.sources import UNTOLD, Opening, Routed, Sources
from services.workspace.domain.viewer import Role, Viewer

Document = dict[str, Any]


def key(tenant_id: str, entity_id: str) -> str:
    """Return the _id; neither part can contain the slash."""
    return f"{tenant_id}/{entity_id}"


def from_sources(it: Sources, now: datetime, keep_closed: timedelta) -> Document:
    """Return what $set writes. A closed card is forgotten once no event about it can be left."""
    routed = it.routed
    closed = it.standing.state is CardState.CLOSED
    return {
        "tenant_id": it.tenant_id,
        "conversation_id": it.conversation_id,
        "opening": asdict(it.opening) if it.opening else None,
        "routed": {
            "revision": routed.revision,
            "state": int(routed.standing.state),
            "queue_id": routed.standing.queue_id,
            "agent_id": routed.standing.agent_id,
            "offer_expires_at": routed.offer_expires_at,
        }
        if routed.revision
        else None,
        "message_count": it.message_count,
        "last_message_at": it.last_message_at,
        "ended": it.ended,
        "revision": it.revision,
        "forget_at": now + keep_closed if closed else None,  # None: open
    }


def to_sources(found: Mapping[str, Any]) -> Sources:
    opening, routed = found["opening"], found["routed"]
    return Sources(
        found["tenant_id"],
        found["conversation_id"],
        opening=Opening(**opening) if opening else None,
        routed=_to_routed(routed) if routed else UNTOLD,
        message_count=found["message_count"],
        last_message_at=found["last_message_at"],
        ended=found["ended"],
        revision=found["revision"],
    )


def _to_routed(found: Mapping[str, Any]) -> Routed:
    standing = Standing(CardState(found["state"]), found["queue_id"], found["agent_id"])
    return Routed(found["revision"], standing, found["offer_expires_at"])


def from_viewer(it: Viewer) -> Document:
    return {
        "tenant_id": it.tenant_id,
        "user_id": it.user_id,
        "role": int(it.role),
        "queue_ids": sorted(it.queue_ids),
        "version": it.version,
    }


def to_viewer(found: Mapping[str, Any]) -> Viewer:
    return Viewer(
        found["tenant_id"],
        found["user_id"],
        Role(found["role"]),
        frozenset(found["queue_ids"]),
        found["version"],
    )
