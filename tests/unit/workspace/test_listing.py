"""Pages of a list, in the order of opening."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workspace.domain.board import Board
from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.errors import PageSizeInvalid, PageTokenInvalid, TabMissing
from services.workspace.domain.frames import CardChange, ViewerChange
from services.workspace.domain.listing import place_of, token
from services.workspace.domain.viewer import Role, Viewer
from services.workspace.use_cases.list_cards import ListCards, Tab
from services.workspace.use_cases.live import Live

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ANA = ("acme", "ana", Role.AGENT)


def listing(*cards: Card) -> ListCards:
    board = Board()
    for card in cards:
        board.apply(CardChange(1, card))
    board.apply(ViewerChange(1, Viewer("acme", "ana", Role.AGENT, frozenset({"sales"}), 1)))
    live = Live(replay=1, buffer=1, now=lambda: 0.0)
    live.begin(0, board)
    return ListCards(live)


def waiting(number: int, minutes: int) -> Card:
    standing = Standing(CardState.WAITING, "sales")
    opened_at = NINE + timedelta(minutes=minutes)
    return Card("acme", f"v-{number}", standing, opened_at=opened_at, revision=1)


@given(
    minutes=st.lists(st.integers(0, 5), max_size=12),
    size=st.integers(1, 5),
    newest_first=st.booleans(),
)
def test_pages_give_every_card_once_and_in_order(
    *, minutes: list[int], size: int, newest_first: bool
) -> None:
    lists = listing(*(waiting(number, at) for number, at in enumerate(minutes)))
    found: list[Card] = []
    page_token = ""
    while True:
        page, page_token = lists(
            ANA, Tab.UNASSIGNED, newest_first=newest_first, size=size, page_token=page_token
        )
        assert len(page.cards) <= size
        found += page.cards
        if not page_token:
            break

    at = [(card.opened_at or NINE, card.conversation_id) for card in found]
    assert at == sorted(at, reverse=newest_first)
    assert len(found) == len(minutes)


def test_a_card_of_a_view_is_in_exactly_one_tab() -> None:
    ringing = Card("acme", "v-1", Standing(CardState.OFFERED, "sales", "ana"), revision=1)
    elsewhere = Card("acme", "v-2", Standing(CardState.OFFERED, "sales", "ben"), revision=1)
    held = Card("acme", "v-3", Standing(CardState.ASSIGNED, "sales", "ana"), revision=1)
    lists = listing(ringing, elsewhere, held)

    def names(tab: Tab) -> set[str]:
        page, _ = lists(ANA, tab, newest_first=True, size=0, page_token="")
        return {card.conversation_id for card in page.cards}

    assert names(Tab.ASSIGNED_TO_ME) == {"v-1", "v-3"}
    assert names(Tab.UNASSIGNED) == {"v-2"}


def test_a_token_of_another_list_or_of_nobody_is_refused() -> None:
    good = token((17, "v-1"), "mine-newest")

    assert place_of(good, "mine-newest") == (17, "v-1")
    for bad, name in ((good, "mine-oldest"), ("?", "mine-newest"), ("aGVsbG8", "mine-newest")):
        with pytest.raises(PageTokenInvalid):
            place_of(bad, name)


def test_a_list_needs_a_tab_and_a_bounded_page() -> None:
    with pytest.raises(TabMissing):
        listing()(ANA, None, newest_first=True, size=0, page_token="")
    with pytest.raises(PageSizeInvalid):
        listing()(ANA, Tab.UNASSIGNED, newest_first=True, size=201, page_token="")
