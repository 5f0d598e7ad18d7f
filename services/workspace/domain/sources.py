"""What the other services said about one conversation, and the card that follows from it.

Two streams tell of a conversation and neither waits for the other, so every fold here commutes
and repeats without harm: dispatch's word is the one of its highest revision, a message counts by
its arrival number, an opening is told once, and an end is for ever, though its agent may still
finish the work. Whatever the order, the same facts make the same card.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from .card import Card, CardState, Standing


@dataclass(frozen=True, slots=True)
class Opening:
    """A conversation began and waits in a queue."""

    contact_id: str
    channel: int
    channel_account_id: str
    queue_id: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """A message joined: the `arrival`-th, written at `sent_at` by the provider's clock."""

    arrival: int
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """The conversation is over. `by` is the user who ended it, empty for the system."""

    by: str = ""


@dataclass(frozen=True, slots=True)
class Routed:
    """Where the task stands since its event number `revision`: the whole of it."""

    revision: int
    standing: Standing
    until: datetime | None = None
    """Rings, or is finished by its agent, no longer than this."""
    waits_since: datetime | None = None
    """Told when it begins to wait: the moment at which its conversation was opened."""
    ended_by: str = ""
    """Who ended the work for its agent."""


Fact = Opening | Said | Ended | Routed

UNTOLD = Routed(0, Standing())


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything told so far. `revision` counts the changes.

    `position` is where our stream has it, 0 for nowhere yet: who writes the next one names it.
    """

    tenant_id: str
    conversation_id: str
    opening: Opening | None = None
    routed: Routed = UNTOLD
    message_count: int = 0
    last_message_at: datetime | None = None
    waits_since: datetime | None = None
    ended: bool = False
    ended_by: str = ""
    revision: int = 0
    position: int = field(default=0, compare=False)

    def told(self, *facts: Fact) -> "Sources":
        """Fold facts in, as one change. The same object comes back when they bring nothing new."""
        after = self
        for fact in facts:
            after = after._fold(fact)
        return self if after == self else after.again()

    def again(self) -> "Sources":
        """Return the same as the next revision: it was told again, or something new was."""
        return replace(self, revision=self.revision + 1)

    def _fold(self, fact: Fact) -> "Sources":
        match fact:
            case Opening():
                return replace(self, opening=self.opening or fact, waits_since=None)
            case Routed():
                waits_since = None if self.opening else self.waits_since or fact.waits_since
                known = replace(self, waits_since=waits_since)
                lasting = replace(fact, waits_since=None)
                newer = fact.revision > self.routed.revision
                return replace(known, routed=lasting) if newer else known
            case Said(arrival=arrival, sent_at=sent_at):
                latest = self.last_message_at
                return replace(
                    self,
                    message_count=max(self.message_count, arrival),
                    last_message_at=sent_at if latest is None else max(latest, sent_at),
                )
            case Ended(by=by):
                return replace(self, ended=True, ended_by=by)

    @property
    def opened_at(self) -> datetime | None:
        return self.opening.opened_at if self.opening else self.waits_since

    @property
    def standing(self) -> Standing:
        """Dispatch knows best; before it has spoken the conversation waits where it was opened.

        Nobody sees a card before it is known since when it waits, which is about to be told: lists
        are sorted by that.
        """
        stands = self._stands
        return stands if self.opened_at or stands.state is CardState.CLOSED else Standing()

    @property
    def _stands(self) -> Standing:
        routed = self.routed.standing
        queue_id = routed.queue_id or (self.opening.queue_id if self.opening else "")
        finishing = routed.state is CardState.AFTER_SERVICE
        if self.ended and not finishing:
            return Standing(CardState.CLOSED, queue_id, routed.agent_id)
        if self.routed.revision:
            return routed
        if self.opening:
            return Standing(CardState.WAITING, queue_id)
        return Standing()

    @property
    def card(self) -> Card:
        """The card as agents see it."""
        opening, standing = self.opening, self.standing
        offered = standing.state is CardState.OFFERED
        finishing = standing.state is CardState.AFTER_SERVICE
        return Card(
            self.tenant_id,
            self.conversation_id,
            standing,
            contact_id=opening.contact_id if opening else "",
            channel=opening.channel if opening else 0,
            channel_account_id=opening.channel_account_id if opening else "",
            opened_at=self.opened_at,
            offer_expires_at=self.routed.until if offered else None,
            message_count=self.message_count,
            last_message_at=self.last_message_at,
            revision=self.revision,
            after_service_ends_at=self.routed.until if finishing else None,
            closed_by=self.routed.ended_by or self.ended_by,
        )
