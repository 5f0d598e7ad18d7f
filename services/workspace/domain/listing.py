"""One page of a list of cards, in the order they were opened."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest, nsmallest

from .card import Card
from .errors import PageTokenInvalid

Place = tuple[int, str]
"""Where a card stands in a list: milliseconds of its opening, then its id."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is the place of the last card, None on the last page."""

    cards: tuple[Card, ...]
    after: Place | None


def place(card: Card) -> Place:
    """A card whose opening has not been told yet counts as the oldest; it is told in a moment."""
    opened = card.opened_at or EPOCH
    return round((opened - EPOCH).total_seconds() * 1000), card.conversation_id


def page(cards: Iterable[Card], *, size: int, newest_first: bool, after: Place | None) -> Page:
    """At most `size` cards after a place; the list may change between two pages."""
    if newest_first:
        rest = (card for card in cards if after is None or place(card) < after)
        found = nlargest(size + 1, rest, key=place)
    else:
        rest = (card for card in cards if after is None or place(card) > after)
        found = nsmallest(size + 1, rest, key=place)
    more = len(found) > size
    return Page(tuple(found[:size]), place(found[size - 1]) if more else None)


def token(where: Place, list_name: str) -> str:
    """Make a place of one list opaque to callers."""
    at, conversation_id = where
    return urlsafe_b64encode(f"{list_name} {at} {conversation_id}".encode()).decode().rstrip("=")


def place_of(text: str, list_name: str) -> Place:
    """Read a token back, or raise PageTokenInvalid."""
    try:
        padded = text + "=" * (-len(text) % 4)
        name, at, conversation_id = urlsafe_b64decode(padded).decode().split(" ")
        where = int(at), conversation_id
    except ValueError:
        name, where = "", (0, "")
    if name != list_name:
        raise PageTokenInvalid("Send the next_page_token of the page before, of the same list.")
    return where
