"""The view's changes, as a pure function of the stream and the viewer.

Nothing here knows what a replica has in memory: a frame follows from one event of the stream and
one viewer, so that every replica makes the same frames of the same positions, now or in a replay.
"""

from dataclasses import dataclass

from .card import Card, Standing
from .viewer import Viewer


@dataclass(frozen=True, slots=True)
class CardChange:
    """The event at `position` of the stream: a card is now so. `before` is None on a new card."""

    position: int
    card: Card
    before: Standing | None = None

    @property
    def tenant_id(self) -> str:
        return self.card.tenant_id


@dataclass(frozen=True, slots=True)
class ViewerChange:
    """The event at `position`: a user now sees other cards."""

    position: int
    viewer: Viewer

    @property
    def tenant_id(self) -> str:
        return self.viewer.tenant_id


Change = CardChange | ViewerChange


@dataclass(frozen=True, slots=True)
class Shown:
    """A card came or changed."""

    position: int
    card: Card


@dataclass(frozen=True, slots=True)
class Gone:
    """A card is no longer in the view."""

    position: int
    conversation_id: str
    closed_by: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """Forget everything: this is the view at `position`."""

    position: int
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing happened up to `position`."""

    position: int


Frame = Shown | Gone | Whole | Alive


def frame(change: CardChange, viewer: Viewer) -> Shown | Gone | None:
    """What the viewer learns from a change of a card, if anything."""
    if viewer.tenant_id != change.tenant_id:
        return None
    if viewer.sees(change.card.standing):
        return Shown(change.position, change.card)
    if change.before is not None and viewer.sees(change.before):
        return Gone(change.position, change.card.conversation_id, change.card.closed_by)
    return None
