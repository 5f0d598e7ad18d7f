"""What is told of a card is enough to go on from it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.workspace.domain.card import CardState, Standing
from services.workspace.domain.sources import Ended, Fact, Opening, Routed, Said, Sources
from services.workspace.messages import card_changed, to_sources

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)

tokens = st.sampled_from(["", "a", "b"])
moments = st.integers(0, 10**9).map(lambda ms: NINE + timedelta(milliseconds=ms))
standings = st.builds(Standing, st.sampled_from(CardState), tokens, tokens)
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(Opening, tokens, st.integers(0, 9), tokens, st.sampled_from(["a", "b"]), moments),
    st.builds(
        Routed, st.integers(1, 9), standings, st.none() | moments, st.none() | moments, tokens
    ),
    st.builds(Said, st.integers(1, 9), moments),
    st.builds(Ended, tokens),
)


@given(st.lists(facts, max_size=8))
def test_a_card_is_read_back_as_it_was_told(told: list[Fact]) -> None:
    sources = Sources("acme", "v-1")
    for fact in told:
        sources = sources.told(fact)
    read = to_sources(7, card_changed(sources, None).SerializeToString(), {})

    assert read == sources
    assert read.position == 7
