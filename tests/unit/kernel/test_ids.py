"""Ids are unique, sorted by time, and fit into a subject."""

import re

import pytest

from services.kernel.ids import is_token, new_id


def test_an_id_is_26_characters_of_one_case_and_a_token() -> None:
    assert re.fullmatch(r"[0-9a-v]{26}", new_id())
    assert is_token(new_id())


def test_ids_do_not_repeat() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_later_id_sorts_after_an_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for moment in (1, 31, 32, 1_000, 1_700_000_000_000, 1_700_000_000_001, 2_000_000_000_000):
        monkeypatch.setattr("services.kernel.ids.time.time_ns", lambda ms=moment: ms * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["a", "A-b_9", "x" * 64])
def test_a_token_is_made_of_what_a_subject_allows(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a.b", "a b", "*", ">", "á", "a\n", "x" * 65])
def test_anything_else_is_no_token(text: str) -> None:
    assert not is_token(text)
