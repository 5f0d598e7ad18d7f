"""What was said under which id lately."""

import pytest

from services.ingestion.domain.errors import MessageIdReused
from services.ingestion.domain.lately import SaidLately


def test_the_same_again_is_known_and_another_text_is_refused() -> None:
    said = SaidLately()
    assert not said.note("p-1", "hello")
    assert said.note("p-1", "hello")
    with pytest.raises(MessageIdReused):
        said.note("p-1", "goodbye")
    assert not said.note("p-2", "goodbye")


def test_after_an_unknown_outcome_the_same_is_known_and_another_text_may_be_the_first() -> None:
    said = SaidLately()
    for text, known in (("hello", False), ("hello", True), ("goodbye", False)):
        assert said.note("p-1", text) is known
        said.doubt("p-1")
    said.note("p-1", "goodbye")
    with pytest.raises(MessageIdReused):
        said.note("p-1", "hello")


def test_what_somebody_else_was_told_first_is_not_ours_to_know() -> None:
    said = SaidLately()
    said.note("p-1", "hello")
    said.forget("p-1")
    said.doubt("p-1")
    assert not said.note("p-1", "goodbye")


def test_what_was_said_longest_ago_makes_room() -> None:
    said = SaidLately(most=2)
    for name in ("a", "b", "a", "c"):
        said.note(name, "hello")
    assert said.note("a", "hello")
    assert not said.note("b", "hello")
