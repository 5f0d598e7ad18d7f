"""Who may work here, and who may say so."""

from dataclasses import dataclass, field, replace
from enum import IntEnum

from . import fields, routing
from .errors import FieldInvalid, RoleTooLow
from .routing import SkillLevel, TaskChannel
from .slot import Slot

MAX_CHATS = 50
PASSWORD_LENGTH = (10, 200)


class Role(IntEnum):
    """Ranks, lowest first. The numbers are those of the proto."""

    AGENT = 1
    SUPERVISOR = 2
    MANAGER = 3
    ADMINISTRATOR = 4
    OWNER = 5


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of a password. `id` changes with it, which ends sessions begun before."""

    id: str
    hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much a user takes at once."""

    chats: int | None = None
    """None: as the tenant's presence policy says. 0: none."""
    calls: bool | None = None
    """None: if they can work on calls."""


@dataclass(frozen=True, slots=True)
class User:
    email: str = field(repr=False)
    display_name: str = field(repr=False)
    role: Role
    queue_ids: tuple[str, ...] = ()
    capacity: Capacity = Capacity()
    password: Password | None = None
    skills: tuple[SkillLevel, ...] = ()
    """Sorted by skill."""
    channels: tuple[TaskChannel, ...] = ()
    """What the user can work on. Empty: everything."""

    def checked(self) -> "User":
        return replace(
            self,
            email=fields.email("user.email", self.email),
            display_name=self.display_name.strip(),
            queue_ids=fields.slugs("user.queue_ids", self.queue_ids),
            capacity=self._checked_capacity(),
            skills=routing.by_skill("user.skills", self.skills),
            channels=routing.task_channels(self.channels),
        )

    def _checked_capacity(self) -> Capacity:
        if self.capacity.chats is not None:
            fields.number("user.capacity.chats", self.capacity.chats, 0, MAX_CHATS)
        if self.capacity.calls and self.channels and TaskChannel.CALL not in self.channels:
            raise FieldInvalid(
                "user.capacity.calls", "channels", "add calls to user.channels, or leave it empty."
            )
        return self.capacity

    @property
    def is_owner(self) -> bool:
        return self.role is Role.OWNER


def check_password(plain: str) -> str:
    return fields.length("password", plain, *PASSWORD_LENGTH)


def may_change(actor: Role, before: User | None, after: User | None) -> None:
    """Refuse unless `actor` outranks what the user is and what the user is to become."""
    highest = max(user.role for user in (before, after) if user is not None)
    if highest >= Role.ADMINISTRATOR and actor < Role.OWNER:
        raise RoleTooLow(
            "Only an owner may make or change administrators and owners. Ask an owner.",
            leastRole=Role.OWNER.name.lower(),
        )


def ceases_to_own(before: Slot[User], after: Slot[User]) -> bool:
    """Whether the tenant loses an owner by this change."""
    was = before.value is not None and before.value.is_owner
    return was and not (after.value is not None and after.value.is_owner)
