"""The statuses of a tenant and what follows from them."""

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import IntEnum

from . import fields
from .errors import FieldInvalid

MAX_STATUSES = 50
OFFERS = (1, 20)
CHATS = (1, 50)
REMINDED_AFTER = (timedelta(minutes=1), timedelta(hours=24))
COOLED_AFTER = (timedelta(seconds=1), timedelta(hours=24))


class WayBack(IntEnum):
    """How an agent comes back from Banned. Numbers of the proto."""

    OWN_CHOICE = 1
    COOL_DOWN = 2
    SUPERVISOR = 3


@dataclass(frozen=True, slots=True)
class CustomStatus:
    """What an agent can choose besides the statuses of the system."""

    status_id: str
    display_name: str
    remind_after: timedelta | None = None
    """None: never."""

    def checked(self, field: str) -> "CustomStatus":
        fields.slug(f"{field}.status_id", self.status_id)
        if self.remind_after is not None:
            fields.span(f"{field}.remind_after", self.remind_after, *REMINDED_AFTER)
        return replace(self, display_name=self.display_name.strip())


@dataclass(frozen=True, slots=True)
class PresencePolicy:
    """The defaults are those of a tenant that has put none."""

    custom_statuses: tuple[CustomStatus, ...] = ()
    """In the order in which they are shown."""
    banned_after: int = 1
    """Offers in a row, declined or ignored, that ban."""
    way_back: WayBack = WayBack.OWN_CHOICE
    cool_down: timedelta | None = None
    chat_capacity: int = 3
    """Chats at once of users who say nothing of their own."""

    def checked(self) -> "PresencePolicy":
        fields.number("presence_policy.banned_after", self.banned_after, *OFFERS)
        fields.number("presence_policy.chat_capacity", self.chat_capacity, *CHATS)
        self._check_cool_down("presence_policy.cool_down")
        field = "presence_policy.custom_statuses"
        fields.few(field, self.custom_statuses, MAX_STATUSES)
        statuses = tuple(it.checked(field) for it in self.custom_statuses)
        fields.once(f"{field}.status_id", (it.status_id for it in statuses))
        return replace(self, custom_statuses=statuses)

    def _check_cool_down(self, field: str) -> None:
        if self.cool_down is not None:
            fields.span(field, self.cool_down, *COOLED_AFTER)
        if (self.cool_down is not None) != (self.way_back is WayBack.COOL_DOWN):
            raise FieldInvalid(
                field, "way_back", "send it when the way back is the cool-down, and only then."
            )
