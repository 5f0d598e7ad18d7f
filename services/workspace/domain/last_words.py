"""When each open card was last told: the stream forgets by age what nobody tells again."""

from datetime import datetime

from .card import Card, CardState

Key = tuple[str, str]


class LastWords:
    """The position and the moment of the last word on each open card, the oldest word first."""

    def __init__(self) -> None:
        self._words: dict[Key, tuple[int, datetime]] = {}

    def hear(self, card: Card, position: int, at: datetime) -> None:
        """Take the words in the order of the stream."""
        key = (card.tenant_id, card.conversation_id)
        self._words.pop(key, None)
        if card.standing.state is not CardState.CLOSED:
            self._words[key] = (position, at)

    def until(self, moment: datetime) -> list[tuple[Key, int]]:
        """Return the open cards of which nothing was told after `moment`."""
        found: list[tuple[Key, int]] = []
        for key, (position, at) in self._words.items():
            if at > moment:
                break
            found.append((key, position))
        return found
