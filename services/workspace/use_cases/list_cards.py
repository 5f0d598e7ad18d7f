"""One page of a tab, from memory."""

from enum import Enum

from services.workspace.domain.errors import PageSizeInvalid, TabMissing
from services.workspace.domain.listing import Page, page, place_of, token
from services.workspace.domain.viewer import Role

from .live import Live

LARGEST_PAGE = 200
USUAL_PAGE = 50


class Tab(Enum):
    """The two lists of the workspace; a card of a view is in exactly one."""

    ASSIGNED_TO_ME = "mine"
    UNASSIGNED = "unassigned"


class ListCards:
    def __init__(self, live: Live) -> None:
        self._live = live

    def __call__(
        self,
        viewer: tuple[str, str, Role],
        tab: Tab | None,
        *,
        newest_first: bool,
        size: int,
        page_token: str,
    ) -> tuple[Page, str]:
        """Return a page and the token of the next one, empty when there is none."""
        if tab is None:
            raise TabMissing("Say which tab.")
        if size > LARGEST_PAGE:
            raise PageSizeInvalid("Ask for 1 to 200 cards.", most=str(LARGEST_PAGE))
        board = self._live.board
        who = board.viewer(*viewer)
        cards = board.mine(who) if tab is Tab.ASSIGNED_TO_ME else board.unassigned(who)
        name = f"{tab.value}-{'newest' if newest_first else 'oldest'}"
        after = place_of(page_token, name) if page_token else None
        found = page(cards, size=size or USUAL_PAGE, newest_first=newest_first, after=after)
        return found, token(found.after, name) if found.after else ""
