"""Who is how, who was how, and for how long."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.kernel.clock import Clock
from services.kernel.ids import is_token
from services.presence.domain.eligibility import Hindrance, hindrance
from services.presence.domain.errors import (
    DaysInvalid,
    PageSizeInvalid,
    TimeZoneUnknown,
    UserIdInvalid,
)
from services.presence.domain.history import Change, Day, change_of, days, time_in_status
from services.presence.domain.leases import Key
from services.presence.domain.presence import Presence
from services.presence.domain.status import Badge

from .ports import Abilities, History, Presences

LARGEST_PAGE = 200
USUAL_PAGE = 50
MOST_DAYS = 31


class ReadPresences:
    def __init__(self, presences: Presences, abilities: Abilities) -> None:
        self._presences, self._abilities = presences, abilities

    def hindrance(self, it: Presence) -> Hindrance:
        """Return why somebody who is Ready can be given nothing, as it is now."""
        return hindrance(it, self._abilities.of((it.tenant_id, it.user_id)))

    async def one(self, tenant_id: str, user_id: str) -> Presence:
        """Return a user's presence; who was never seen is offline."""
        insist_on_user(user_id)
        user = (tenant_id, user_id)
        return await self._presences.read(user) or Presence(*user)

    async def some(self, tenant_id: str, after: str, size: int) -> tuple[Sequence[Presence], str]:
        """Return a page by user id, and the id to go on after; empty on the last page."""
        size = _page(size)
        found = await self._presences.page(tenant_id, after, size + 1)
        more = len(found) > size
        return found[:size], found[size - 1].user_id if more else ""


class ReadHistory:
    def __init__(self, presences: Presences, history: History, clock: Clock) -> None:
        self._presences, self._history, self._clock = presences, history, clock

    async def some(
        self, user: Key, before_version: int, before: datetime | None, size: int
    ) -> tuple[Sequence[Change], int]:
        """Return a page, newest first, and the version to go on before; 0 on the last page."""
        insist_on_user(user[1])
        size = _page(size)
        await self._keep_last(user)
        found = await self._history.newest(user, before_version, before, size + 1)
        more = len(found) > size
        return found[:size], found[size - 1].version if more else 0

    async def time_in_status(
        self, user: Key, first_day: str, count: int, time_zone: str
    ) -> Sequence[tuple[Day, Mapping[Badge, timedelta]]]:
        """Return for each day how long each status showed, today's until now."""
        insist_on_user(user[1])
        wanted = _days(first_day, count or 1, time_zone or "UTC")
        await self._keep_last(user)
        history = await self._history.since(user, wanted[0].begins, wanted[-1].ends)
        now = self._clock()
        return [(day, time_in_status(history, day, now)) for day in wanted]

    async def _keep_last(self, user: Key) -> None:
        it = await self._presences.read(user)
        if it is not None:
            await self._history.keep(change_of(it))


def insist_on_user(user_id: str) -> None:
    if not is_token(user_id):
        raise UserIdInvalid("Name the user.")


def _page(size: int) -> int:
    if size > LARGEST_PAGE:
        raise PageSizeInvalid("Ask for 1 to 200.", most=str(LARGEST_PAGE))
    return size or USUAL_PAGE


def _days(first_day: str, count: int, time_zone: str) -> list[Day]:
    if count > MOST_DAYS:
        raise DaysInvalid("Ask for 1 to 31 days.", most=str(MOST_DAYS))
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise TimeZoneUnknown("Name the zone as IANA does, such as Europe/Madrid.") from None
    try:
        return days(date.fromisoformat(first_day), count, zone)
    except (ValueError, OverflowError):
        raise DaysInvalid("Name the first day as 2026-11-22.") from None
