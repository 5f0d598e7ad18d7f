"""The directory's values as MongoDB stores them, and back. Numbers of enums are the protos'."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from services.directory.domain.channel_account import Channel, ChannelAccount, Secret
from services.directory.domain.group import Group
from services.directory.domain.queue import AgentSelection, Queue
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Password, Role, User

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
        "chat_capacity": user.chat_capacity,
        "password": {"id": password.id, "hash": password.hash} if password else None,
    }


def to_user(document: Document) -> User:
    password = document["password"]
    return User(
        email=document["email"],
        display_name=document["display_name"],
        role=Role(document["role"]),
        queue_ids=tuple(document["queue_ids"]),
        chat_capacity=document["chat_capacity"],
        password=Password(password["id"], password["hash"]) if password else None,
    )


def from_queue(queue: Queue) -> dict[str, Any]:
    return {
        "display_name": queue.display_name,
        "agent_selection": int(queue.agent_selection),
        "offer_timeout_ms": queue.offer_timeout // timedelta(milliseconds=1),
        "priority": queue.priority,
    }


def to_queue(document: Document) -> Queue:
    return Queue(
        display_name=document["display_name"],
        agent_selection=AgentSelection(document["agent_selection"]),
        offer_timeout=timedelta(milliseconds=document["offer_timeout_ms"]),
        priority=document["priority"],
    )


def from_group(group: Group) -> dict[str, Any]:
    return {"display_name": group.display_name, "user_ids": list(group.user_ids)}


def to_group(document: Document) -> Group:
    return Group(document["display_name"], tuple(document["user_ids"]))


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
