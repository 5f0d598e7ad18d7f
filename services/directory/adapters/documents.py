"""The directory's values as MongoDB stores them, and back. Numbers of enums are the protos'."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.directory.domain.channel_account import Channel, ChannelAccount, Secret
from services.directory.domain.group import Group, RingStrategy
from services.directory.domain.presence_policy import CustomStatus, PresencePolicy, WayBack
from services.directory.domain.queue import USUAL_PAUSE, USUAL_RING
from services.directory.domain.routing import SkillLevel, TaskChannel
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Capacity, Password, Role, User

from .seal import Seal

Document = Mapping[str, Any]


def key(tenant_id: str, name: str) -> str:
    """Return the `_id`: every question for one document names the tenant."""
    return f"{tenant_id}/{name}"


def from_tenant(tenant: Tenant) -> dict[str, Any]:
    return {"display_name": tenant.display_name}


def to_tenant(document: Document) -> Tenant:
    return Tenant(document["display_name"])


def from_user(user: User) -> dict[str, Any]:
    password = user.password
    return {
        "email": user.email,
        "email_lower": user.email.lower(),
        "display_name": user.display_name,
        "role": int(user.role),
        "queue_ids": list(user.queue_ids),
        "chat_capacity": user.capacity.chats or 0,
        "capacity": {"chats": user.capacity.chats, "calls": user.capacity.calls},
        "password": {"id": password.id, "hash": password.hash} if password else None,
        "skills": {it.skill_id: it.level for it in user.skills},
        "channels": [int(it) for it in user.channels],
    }


def to_user(document: Document) -> User:
    password = document["password"]
    return User(
        email=document["email"],
        display_name=document["display_name"],
        role=Role(document["role"]),
        queue_ids=tuple(document["queue_ids"]),
        capacity=_to_capacity(document),
        password=Password(password["id"], password["hash"]) if password else None,
        skills=tuple(SkillLevel(*it) for it in document.get("skills", {}).items()),
        channels=tuple(TaskChannel(it) for it in document.get("channels", ())),
    )


def _to_capacity(document: Document) -> Capacity:
    """Read how much a user takes; before there was more, 0 chats stood for *not said*."""
    if (said := document.get("capacity")) is None:
        return Capacity(chats=document["chat_capacity"] or None)
    return Capacity(said["chats"], said["calls"])


def from_group(group: Group) -> dict[str, Any]:
    return {
        "display_name": group.display_name,
        "user_ids": list(group.user_ids),
        "ring_strategy": int(group.ring_strategy),
        "ring_timeout_ms": to_ms(group.ring_timeout),
        "ask_again_after_ms": to_ms(group.ask_again_after),
        "removing_to": group.removing_to,
    }


def to_group(document: Document) -> Group:
    return Group(
        display_name=document["display_name"],
        user_ids=tuple(document["user_ids"]),
        ring_strategy=RingStrategy(document.get("ring_strategy", RingStrategy.SIMULTANEOUS)),
        ring_timeout=from_ms(document.get("ring_timeout_ms")) or USUAL_RING,
        ask_again_after=from_ms(document.get("ask_again_after_ms")) or USUAL_PAUSE,
        removing_to=document.get("removing_to", ""),
    )


def from_presence_policy(policy: PresencePolicy) -> dict[str, Any]:
    return {
        "custom_statuses": [
            {
                "status_id": it.status_id,
                "display_name": it.display_name,
                "remind_after_ms": to_ms(it.remind_after),
            }
            for it in policy.custom_statuses
        ],
        "banned_after": policy.banned_after,
        "way_back": int(policy.way_back),
        "cool_down_ms": to_ms(policy.cool_down),
        "chat_capacity": policy.chat_capacity,
    }


def to_presence_policy(document: Document) -> PresencePolicy:
    return PresencePolicy(
        custom_statuses=tuple(
            CustomStatus(it["status_id"], it["display_name"], from_ms(it["remind_after_ms"]))
            for it in document["custom_statuses"]
        ),
        banned_after=document["banned_after"],
        way_back=WayBack(document["way_back"]),
        cool_down=from_ms(document["cool_down_ms"]),
        chat_capacity=document.get("chat_capacity", PresencePolicy().chat_capacity),
    )


def to_ms(span: timedelta | None) -> int | None:
    return None if span is None else span // timedelta(milliseconds=1)


def from_ms(milliseconds: int | None) -> timedelta | None:
    return None if milliseconds is None else timedelta(milliseconds=milliseconds)


class ChannelAccountDocuments:
    """Their secrets must be read again to check signatures: sealed, where others are hashed."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def from_account(self, account: ChannelAccount) -> dict[str, Any]:
        return {
            "channel": int(account.channel),
            "display_name": account.display_name,
            "queue_id": account.queue_id,
            "callback_url": account.callback_url,
            "allowed_origins": list(account.allowed_origins),
            "secrets": [
                {"sealed": self._seal.close(it.text.encode()), "good_until": it.good_until}
                for it in account.secrets
            ],
        }

    def to_account(self, document: Document) -> ChannelAccount:
        return ChannelAccount(
            channel=Channel(document["channel"]),
            display_name=document["display_name"],
            queue_id=document["queue_id"],
            callback_url=document["callback_url"],
            allowed_origins=tuple(document["allowed_origins"]),
            secrets=tuple(
                Secret(self._seal.open(it["sealed"]).decode(), it["good_until"])
                for it in document["secrets"]
            ),
        )
