"""What comes back as a page token is what was given, or a ValueError."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kernel.page_tokens import MOST, decode, encode, number


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_place_comes_back(place: str) -> None:
    assert decode(encode(place)) == place


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_else_comes_is_a_place_or_a_value_error(token: str) -> None:
    with suppress(ValueError):
        assert isinstance(decode(token), str)


def test_a_token_with_its_padding_is_read() -> None:
    """As presence gave them before."""
    assert decode("MTI=") == decode("MTI") == "12"


@pytest.mark.parametrize("text", ["0", "7", str(MOST)])
def test_a_number_is_one_that_the_store_counts_to(text: str) -> None:
    assert number(text) == int(text)


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "٣", " 1", str(MOST + 1), "9" * 5_000])
def test_any_other_number_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="page token"):
        number(text)
