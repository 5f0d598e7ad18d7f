"""What is open is told again before it is forgotten; what is closed is let go."""

from datetime import UTC, datetime, timedelta

from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.errors import Stale
from services.workspace.domain.last_words import LastWords
from services.workspace.domain.sources import Sources
from services.workspace.use_cases.keep import KeepOpen

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def card(name: str, state: CardState = CardState.WAITING) -> Card:
    return Card("acme", name, Standing(state, "sales"))


def heard(*told: tuple[Card, datetime]) -> LastWords:
    words = LastWords()
    for position, (it, at) in enumerate(told, 1):
        words.hear(it, position, at)
    return words


def old(words: LastWords) -> list[tuple[str, int]]:
    return [(key[1], position) for key, position in words.until(NINE)]


def test_the_last_word_on_a_card_counts() -> None:
    words = heard((card("v-1"), NINE - DAY), (card("v-2"), NINE), (card("v-1"), NINE + HOUR))

    assert old(words) == [("v-2", 2)]


def test_a_closed_card_is_nobodys_care() -> None:
    words = heard((card("v-1"), NINE - DAY), (card("v-1", CardState.CLOSED), NINE - HOUR))

    assert old(words) == []


class Store:
    def __init__(self, *stored: Sources) -> None:
        self.stored = {it.conversation_id: it for it in stored}
        self.saved: list[tuple[str, int]] = []
        self.racing = False

    async def read(self, tenant_id: str, conversation_id: str) -> Sources | None:
        return self.stored.get(conversation_id)

    async def save(self, before: Sources, after: Sources) -> None:
        if self.racing:
            raise Stale("It changed meanwhile.")
        assert before == self.stored[after.conversation_id]
        self.saved.append((after.conversation_id, after.revision))


WORDS = [(card("v-1"), NINE - DAY), (card("v-2"), NINE - DAY), (card("v-3"), NINE)]


async def test_only_what_is_old_and_still_the_last_word_is_told_again() -> None:
    store = Store(
        Sources("acme", "v-1", revision=4, position=1),
        Sources("acme", "v-2", revision=6, position=9),  # somebody told it since
        Sources("acme", "v-3", revision=2, position=3),
    )
    await KeepOpen(heard(*WORDS), store, lambda: NINE)(HOUR)

    assert store.saved == [("v-1", 5)]


async def test_a_lost_race_is_as_good_as_a_won_one() -> None:
    store = Store(Sources("acme", "v-1", revision=4, position=1))
    store.racing = True
    await KeepOpen(heard(*WORDS), store, lambda: NINE)(HOUR)

    assert store.saved == []
