"""A card: what an agent sees of one conversation in a list, and who sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum


class CardState(IntEnum):
    """Where the work stands. The numbers are those of the public contract."""

    UNKNOWN = 0
    WAITING = 1
    OFFERED = 2
    ASSIGNED = 3
    CLOSED = 4
    AFTER_SERVICE = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who sees a card. `agent_id` is empty while it waits."""

    state: CardState = CardState.UNKNOWN
    queue_id: str = ""
    agent_id: str = ""
    also_ringing: tuple[str, ...] = ()
    """At whom else it rings."""

    @property
    def agent_ids(self) -> tuple[str, ...]:
        """Return who holds it, or everybody at whom it rings."""
        return (self.agent_id, *self.also_ringing) if self.agent_id else ()

    @property
    def unassigned(self) -> bool:
        """Nobody holds it, so that its queue sees it."""
        return self.state in (CardState.WAITING, CardState.OFFERED)

    @property
    def somebodys(self) -> bool:
        """Somebody has it or is rung, so that they see it."""
        return self.state in (CardState.OFFERED, CardState.ASSIGNED, CardState.AFTER_SERVICE)


@dataclass(frozen=True, slots=True)
class Card:
    """`revision` rises by one with every change of the card."""

    tenant_id: str
    conversation_id: str
    standing: Standing = Standing()
    contact_id: str = ""
    channel: int = 0
    channel_account_id: str = ""
    opened_at: datetime | None = None
    offer_expires_at: datetime | None = None
    message_count: int = 0
    last_message_at: datetime | None = None
    revision: int = 0
    after_service_ends_at: datetime | None = None
    closed_by: str = ""
    """The user who ended it. Empty: it goes on, or the system did."""
