"""What the use cases need from outside, and no more."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from services.directory.domain.keys import SigningKey
from services.directory.domain.sign_in import Attempts, Session
from services.directory.domain.slot import Slot
from services.directory.domain.user import User
from services.directory.domain.work import Place, Work

T = TypeVar("T")


class Shelf(Protocol[T]):
    """The slots of one kind of resource. Every question names its tenant."""

    async def at(self, tenant_id: str, key: str) -> Slot[T]:
        """Return the slot, which may be empty."""

    async def page(self, tenant_id: str, after: str, limit: int) -> list[Slot[T]]:
        """Return filled slots by id, beginning behind `after`."""

    async def missing(self, tenant_id: str, keys: Sequence[str]) -> list[str]:
        """Return those of `keys` where nothing is."""

    async def save(self, slot: Slot[T]) -> Slot[T]:
        """Write what the slot holds and announce it, or raise Stale and do neither."""


class Announced(Protocol):
    """Resources whose state is on the bus."""

    def sent(self) -> AsyncIterator[tuple[str, Slot[object]]]:
        """Yield subject and slot of all whose state has left, of every tenant, removed ones too."""

    async def at(self, tenant_id: str, key: str) -> Slot[Any]:
        """Return the slot as it is now."""

    async def announce(self, slot: Slot[Any]) -> None:
        """Publish the state again, in order with later changes, unless it has changed."""


@dataclass(frozen=True, slots=True)
class Word:
    """An owner's word to stay until another one's change is written."""

    user_id: str
    version: int
    at: datetime


class Users(Shelf[User], Protocol):
    async def by_email(self, tenant_id: str, email: str) -> Slot[User] | None:
        """Return the user who signs in with this address, whatever its case."""

    async def owners(self, tenant_id: str) -> list[str]:
        """Return the ids of the tenant's owners, in order."""

    async def word_of(self, tenant_id: str, user_id: str) -> Word | None:
        """Return the word this owner has given."""

    async def give_word(self, tenant_id: str, user_id: str, word: Word) -> bool:
        """Write the word, if the user is an owner now and has given none."""

    async def take_back(self, tenant_id: str, user_id: str, word: Word) -> None:
        """Erase exactly this word."""

    async def save_departed(self, slot: Slot[User]) -> Slot[User]:
        """Save, unless the user has given their word to stay, which raises Stale."""


class Router(Protocol):
    """What deals out the work. When it does not answer, its error passes as an outage."""

    async def work(self, place: Place) -> Work:
        """Count what is in a queue, or at a group."""

    async def vacate(self, place: Place, version: int, move_to: str, actor_id: str) -> Work:
        """Have work go elsewhere, now and as it comes, as far as one step can; return the rest.

        Raises UnknownQueue where nothing can go, Stale when the place was put since `version`.
        """


class Conversations(Protocol):
    async def open_on(self, tenant_id: str, account_id: str) -> int:
        """Count the open ones of a channel account."""


class References(Protocol):
    """Who names whom. Answers with the kind and id of one who does."""

    async def to_queue(self, tenant_id: str, queue_id: str) -> tuple[str, str] | None: ...

    async def to_user(self, tenant_id: str, user_id: str) -> tuple[str, str] | None: ...

    async def to_group(self, tenant_id: str, group_id: str) -> tuple[str, str] | None: ...


class Passwords(Protocol):
    def busy(self) -> bool:
        """Tell whether so many passwords wait to be looked at that no more should come."""

    async def hash(self, plain: str) -> str: ...

    async def verify(self, hashed: str | None, plain: str) -> bool:
        """Return whether it is right. None costs the same time and is never right."""


class AttemptLog(Protocol):
    async def of(self, key: str) -> Attempts: ...

    async def save(self, attempts: Attempts) -> None:
        """Write, or raise Stale."""

    async def forget(self, key: str) -> None: ...

    async def trusts(self, key: str) -> bool:
        """Tell whether this name was signed in from this source before."""

    async def trust(self, key: str, now: datetime) -> None:
        """Note that this name was signed in from this source."""


class Sessions(Protocol):
    async def begin(self, session: Session) -> None: ...

    async def at(self, session_id: str) -> Session | None: ...

    async def advance(self, before: Session, after: Session) -> bool:
        """Write `after` if the session still has the token of `before`."""

    async def end(self, session: Session) -> None:
        """Forget a session, and tell those who hear its tokens. Repeatable."""

    async def end_all(self, tenant_id: str, user_id: str) -> None:
        """End every session of a user."""


class Keys(Protocol):
    async def all(self) -> list[SigningKey]:
        """Return the keys by number."""

    async def add(self, key: SigningKey) -> None:
        """Store a key, unless one of its number is there already."""

    async def remove(self, key: SigningKey) -> None: ...

    def fresh(self, number: int, signs_from: datetime) -> SigningKey:
        """Make a key that nobody has seen."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    text: str
    expires_in: timedelta


class Tokens(Protocol):
    def for_user(self, user: Slot[User], session_id: str) -> AccessToken:
        """Sign for a user as they are now."""
        ...

    def for_service(self, service: str) -> AccessToken: ...
