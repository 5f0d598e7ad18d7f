"""Whatever the order, repetition or delay of what others say, it ends in the same card."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.sources import Ended, Fact, Opening, Routed, Said, Sources

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
OPENING = Opening("c-1", 1, "web", "sales", NINE)
WAITS = Routed(1, Standing(CardState.WAITING, "sales"), waits_since=NINE)
RINGS = Routed(2, Standing(CardState.OFFERED, "sales", "ana"), NINE + timedelta(seconds=20))
WAITS_AGAIN = Routed(3, Standing(CardState.WAITING, "sales"))
HELD = Routed(4, Standing(CardState.ASSIGNED, "sales", "ben"))
FINISHED = Routed(
    5, Standing(CardState.AFTER_SERVICE, "sales", "ben"), NINE + timedelta(seconds=60)
)
DONE = Routed(6, Standing(CardState.CLOSED, "sales", "ben"))


def told(*facts: Fact) -> Sources:
    sources = Sources("acme", "v-1")
    for fact in facts:
        sources = sources.told(fact)
    return sources


@pytest.mark.parametrize("order", [*permutations([OPENING, WAITS, RINGS, HELD, Said(1, NINE)])])
def test_nobody_sees_a_card_that_does_not_say_since_when_it_waits(order: Sequence[Fact]) -> None:
    for heard in range(1, len(order) + 1):
        sources = told(*order[:heard])
        card = sources.card
        if card.standing.unassigned or card.standing.somebodys:
            assert card.opened_at == NINE
    assert card.standing == HELD.standing  # and once all is heard, whoever holds it does


def test_a_card_says_who_ended_it_whichever_door_they_used() -> None:
    assert told(OPENING, Ended("sam")).card.closed_by == "sam"
    over = replace(DONE, ended_by="sam")
    assert told(OPENING, HELD, over, Ended()).card.closed_by == "sam"
    assert told(OPENING, Ended("ben"), over).card == told(OPENING, over, Ended("ben")).card


def test_a_conversation_waits_where_it_was_opened_before_dispatch_has_spoken() -> None:
    assert told(OPENING).card.standing == Standing(CardState.WAITING, "sales")


def test_a_card_born_from_dispatch_keeps_what_the_opening_tells_later() -> None:
    card = told(WAITS, OPENING).card

    assert card.contact_id == "c-1"
    assert card.standing == WAITS.standing
    assert card.revision == 2


def test_a_message_heard_first_makes_a_card_that_nobody_sees_yet() -> None:
    assert told(Said(1, NINE)).standing == Standing()


def test_an_older_event_of_dispatch_changes_nothing() -> None:
    held = told(OPENING, HELD)

    assert held.told(RINGS) is held


def test_only_a_ringing_card_says_until_when() -> None:
    assert told(OPENING, RINGS).card.offer_expires_at == RINGS.until
    assert told(OPENING, RINGS, HELD).card.offer_expires_at is None


def test_an_ended_conversation_stays_closed_whatever_dispatch_says_late() -> None:
    assert told(OPENING, Ended(), HELD).standing == Standing(CardState.CLOSED, "sales", "ben")


def test_messages_count_by_their_arrival_and_the_latest_by_its_time() -> None:
    late = NINE + timedelta(minutes=1)
    card = told(Said(2, late), Said(1, NINE)).card

    assert (card.message_count, card.last_message_at) == (2, late)


def test_what_was_told_already_is_no_change() -> None:
    once = told(OPENING, WAITS, Said(1, NINE))

    assert told(OPENING, WAITS, Said(1, NINE), OPENING, Said(1, NINE), WAITS) == once


LIFE: list[Fact] = [
    OPENING,
    Said(1, NINE),
    WAITS,
    RINGS,
    WAITS_AGAIN,
    Said(2, NINE + timedelta(seconds=5)),
    HELD,
    Said(3, NINE + timedelta(seconds=3)),
    DONE,
    Ended(),
]


def same(card: Card) -> Card:
    """Without the revision, which counts the changes on the way and not what was told."""
    return replace(card, revision=0)


@given(st.data())
def test_any_order_and_repetition_of_the_facts_ends_in_the_same_card(data: st.DataObject) -> None:
    facts = data.draw(st.lists(st.sampled_from(LIFE), unique=True, min_size=1), label="facts")
    again = data.draw(st.lists(st.sampled_from(facts), max_size=6), label="told again")
    shuffled = data.draw(st.permutations(facts + again), label="as heard")

    in_order = told(*sorted(facts, key=LIFE.index))

    assert same(told(*shuffled).card) == same(in_order.card)


@given(st.permutations(LIFE))
def test_each_change_raises_the_revision_by_one_and_nothing_else_does(facts: list[Fact]) -> None:
    sources = Sources("acme", "v-1")
    for fact in facts:
        after = sources.told(fact)
        assert after.revision == sources.revision + (after is not sources)
        assert after is sources or same(after.card) != same(sources.card) or after != sources
        sources = after


def test_who_finishes_the_work_keeps_the_card_though_the_conversation_is_over() -> None:
    finishing = told(OPENING, HELD, Ended(), FINISHED)
    assert finishing.standing == FINISHED.standing
    assert finishing.card.after_service_ends_at == FINISHED.until
    assert finishing.told(DONE).standing.state is CardState.CLOSED
