"""Who lets offers pass gets none until they come back, as the tenant's policy says."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from .status import Cause


class WayBack(IntEnum):
    """How an agent comes back. The numbers are those of the public contract."""

    OWN_CHOICE = 1
    COOL_DOWN = 2
    SUPERVISOR = 3


@dataclass(frozen=True, slots=True)
class Ban:
    """It keeps the way back it was made with: a new policy is for new bans.

    `until` is set when the way back is the cool-down.
    """

    cause: Cause
    way_back: WayBack = WayBack.OWN_CHOICE
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An agent declined an offer or let it ring out. `offer_id` names it among all."""

    offer_id: str
    cause: Cause


@dataclass(frozen=True, slots=True)
class Policy:
    """What follows from statuses in a tenant; these are the defaults of one without a policy."""

    custom_status_ids: frozenset[str] = frozenset()
    banned_after: int = 1
    """Offers in a row, 1 to 20."""
    way_back: WayBack = WayBack.OWN_CHOICE
    cool_down: timedelta = timedelta()

    def ban(self, cause: Cause, now: datetime) -> Ban:
        until = now + self.cool_down if self.way_back is WayBack.COOL_DOWN else None
        return Ban(cause, self.way_back, until)


USUAL = Policy()
