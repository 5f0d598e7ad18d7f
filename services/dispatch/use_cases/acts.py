"""What those with authority did, told again in its order."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from services.dispatch.domain.decisions import Acted
from services.dispatch.domain.errors import Invalid, Unanswered
from services.kernel import page_tokens
from services.kernel.clock import Clock

from .ports import Unknown

USUAL_PAGE, LONGEST_PAGE = 50, 200
_LATELY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Page:
    acts: list[Acted]
    last: int
    """Where the next page begins behind; 0: there is none."""


class Acts(Protocol):
    """The audit entries, each with its place among all."""

    async def read(self, tenant_id: str, after: int, since: datetime, count: int) -> Page:
        """Read behind a place, or (0) what was done since a moment. Raises Unknown."""
        ...


class ListActs:
    def __init__(self, acts: Acts, clock: Clock) -> None:
        self._acts = acts
        self._clock = clock

    async def __call__(
        self, tenant_id: str, since: datetime | None, page_size: int, page_token: str
    ) -> Page:
        """Raises Invalid, Unanswered."""
        if page_size > LONGEST_PAGE:
            raise Invalid("PAGE_SIZE_INVALID", "Ask for 1 to 200 at a time.")
        try:
            after = page_tokens.number(page_token) if page_token else 0
        except ValueError:
            raise Invalid(
                "PAGE_TOKEN_INVALID", "Send the token of the page before, or none."
            ) from None
        since = since or self._clock() - _LATELY
        try:
            return await self._acts.read(tenant_id, after, since, page_size or USUAL_PAGE)
        except Unknown as silence:
            raise Unanswered from silence
