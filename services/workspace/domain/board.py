"""The open cards and the viewers of all tenants, as of one position of the stream."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from .card import Card, CardState
from .frames import CardChange, Change, ViewerChange, Whole
from .viewer import Role, Viewer

Key = tuple[str, str]
Shelf = dict[str, Card]


class Board:
    """Fold of the stream. Indexed by what a view is made of, so that a view costs its own size.

    It may begin with the last word on each card, ahead of what is tailed after that.
    """

    def __init__(self) -> None:
        self._cards: dict[Key, Card] = {}
        self._held: defaultdict[Key, Shelf] = defaultdict(dict)
        self._unassigned: defaultdict[str, defaultdict[str, Shelf]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self._viewers: dict[Key, Viewer] = {}

    def apply(self, change: Change) -> None:
        """Fold one event in; what is not newer changes nothing."""
        match change:
            case CardChange(card=card):
                self._put(card)
            case ViewerChange(viewer=viewer):
                self._put_viewer(viewer)

    def viewer(self, tenant_id: str, user_id: str, role: Role) -> Viewer:
        """The user as the directory knows them; before it has spoken, as their token says."""
        known = self._viewers.get((tenant_id, user_id))
        return known or Viewer(tenant_id, user_id, role)

    def mine(self, viewer: Viewer) -> Iterator[Card]:
        """Held by the viewer, or ringing at them."""
        yield from self._held.get((viewer.tenant_id, viewer.user_id), {}).values()

    def unassigned(self, viewer: Viewer) -> Iterator[Card]:
        """Held by nobody, visible to the viewer and not ringing at them: that is in `mine`."""
        queues: Mapping[str, Shelf] = self._unassigned.get(viewer.tenant_id, {})
        for queue_id in list(queues) if viewer.sees_every_queue else viewer.queue_ids:
            for card in queues.get(queue_id, {}).values():
                if viewer.user_id not in card.standing.agent_ids:
                    yield card

    def view(self, viewer: Viewer, position: int) -> Whole:
        """Everything the viewer sees."""
        return Whole(position, (*self.mine(viewer), *self.unassigned(viewer)))

    def _put(self, card: Card) -> None:
        key = (card.tenant_id, card.conversation_id)
        known = self._cards.get(key)
        if known is not None:
            if known.revision > card.revision:
                return
            self._index(known, put=False)
        if card.standing.state is CardState.CLOSED:
            self._cards.pop(key, None)
            return
        self._cards[key] = card
        self._index(card, put=True)

    def _index(self, card: Card, *, put: bool) -> None:
        standing = card.standing
        shelves = [self._held[card.tenant_id, agent_id] for agent_id in standing.agent_ids]
        if standing.unassigned:
            shelves.append(self._unassigned[card.tenant_id][standing.queue_id])
        for shelf in shelves:
            if put:
                shelf[card.conversation_id] = card
            else:
                shelf.pop(card.conversation_id, None)

    def _put_viewer(self, viewer: Viewer) -> None:
        key = (viewer.tenant_id, viewer.user_id)
        known = self._viewers.get(key)
        if known is None or viewer.version > known.version:
            self._viewers[key] = viewer
