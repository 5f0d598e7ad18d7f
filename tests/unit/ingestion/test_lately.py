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


def test_what_is_not_certain_is_forgotten() -> None:
    said = SaidLately()
    said.note("p-1", "hello")
    said.forget("p-1")
    assert not said.note("p-1", "goodbye")


def test_what_was_said_longest_ago_makes_room() -> None:
    said = SaidLately(most=2)
    for name in ("a", "b", "a", "c"):
        said.note(name, "hello")
    assert said.note("a", "hello")
    assert not said.note("b", "hello")
