"""A customer's message as it comes from the edge: who wrote, and what."""

from dataclasses import dataclass

from .conversation import Incoming


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the channel addresses them; `name` may be empty."""

    tenant_id: str
    channel: str
    channel_account_id: str
    address: str
    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """Who the sender is. `new`: nobody had heard of them before this very question."""

    contact_id: str
    new: bool


@dataclass(frozen=True, slots=True)
class Received:
    sender: Sender
    incoming: Incoming
