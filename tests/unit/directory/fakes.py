"""Stand-ins for what the use cases need: everything in dictionaries."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from services.directory.domain.errors import Stale
from services.directory.domain.sign_in import Attempts, Session
from services.directory.domain.slot import Slot
from services.directory.domain.user import User
from services.directory.domain.work import Place, Work
from services.directory.use_cases.ports import AccessToken, Word

T = TypeVar("T")
NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass
class Time:
    now: datetime = NINE

    def __call__(self) -> datetime:
        return self.now


class MemoryShelf(Generic[T]):
    def __init__(self) -> None:
        self.slots: dict[tuple[str, str], Slot[T]] = {}
        self.saves = 0

    async def at(self, tenant_id: str, key: str) -> Slot[T]:
        return self.slots.get((tenant_id, key), Slot(tenant_id, key))

    async def page(self, tenant_id: str, after: str, limit: int) -> list[Slot[T]]:
        mine = [it for (tenant, key), it in sorted(self.slots.items()) if tenant == tenant_id]
        return [it for it in mine if it.value is not None and it.id > after][:limit]

    async def missing(self, tenant_id: str, keys: Sequence[str]) -> list[str]:
        return [it for it in keys if (await self.at(tenant_id, it)).value is None]

    async def save(self, slot: Slot[T]) -> Slot[T]:
        if (await self.at(slot.tenant_id, slot.id)).version != slot.version:
            raise Stale("It changed meanwhile.")
        self.saves += 1
        after = replace(slot, version=slot.version + 1)
        self.slots[slot.tenant_id, slot.id] = after
        return after


class Named:
    """References that somebody may have."""

    def __init__(self, queue: tuple[str, str] | None = None) -> None:
        self._queue = queue

    async def to_queue(self, tenant_id: str, queue_id: str) -> tuple[str, str] | None:
        return self._queue

    async def to_user(self, tenant_id: str, user_id: str) -> tuple[str, str] | None:
        return None

    async def to_group(self, tenant_id: str, group_id: str) -> tuple[str, str] | None:
        return self._queue


class MemoryRouter:
    """What deals out the work: there is so much, and one step moves one task."""

    def __init__(self, work: Work | None = None) -> None:
        self.left = work or Work()
        self.vacated: list[tuple[Place, int, str, str]] = []
        self.trouble: Exception | None = None
        """Raised by the next call to vacate."""

    async def work(self, place: Place) -> Work:
        return self.left

    async def vacate(self, place: Place, version: int, move_to: str, actor_id: str) -> Work:
        if self.trouble is not None:
            trouble, self.trouble = self.trouble, None
            raise trouble
        self.vacated.append((place, version, move_to, actor_id))
        self.left = Work(waiting=max(self.left.waiting - 1, 0))
        return self.left


class MemoryUsers(MemoryShelf[User]):
    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, Word] = {}

    async def by_email(self, tenant_id: str, email: str) -> Slot[User] | None:
        for slot in self.slots.values():
            same = slot.value is not None and slot.value.email.lower() == email.lower()
            if same and slot.tenant_id == tenant_id:
                return slot
        return None

    async def owners(self, tenant_id: str) -> list[str]:
        page = await self.page(tenant_id, "", 1000)
        return [it.id for it in page if it.value is not None and it.value.is_owner]

    async def word_of(self, tenant_id: str, user_id: str) -> Word | None:
        return self.words.get(user_id)

    async def give_word(self, tenant_id: str, user_id: str, word: Word) -> bool:
        if user_id in self.words or user_id not in await self.owners(tenant_id):
            return False
        self.words[user_id] = word
        return True

    async def take_back(self, tenant_id: str, user_id: str, word: Word) -> None:
        if self.words.get(user_id) == word:
            del self.words[user_id]

    async def save_departed(self, slot: Slot[User]) -> Slot[User]:
        if slot.id in self.words:
            raise Stale("The user gave their word.")
        return await self.save(slot)


@dataclass
class CountingPasswords:
    """Takes a moment, and counts what would have cost more."""

    hashed: int = 0
    verified: list[str | None] = field(default_factory=list)
    slow: float = 0.0
    at_once: int = 0
    most_at_once: int = 0

    crowded: bool = False

    def busy(self) -> bool:
        return self.crowded

    async def hash(self, plain: str) -> str:
        self.hashed += 1
        return f"hash of {plain}"

    async def verify(self, hashed: str | None, plain: str) -> bool:
        self.verified.append(hashed)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.slow)
        finally:
            self.at_once -= 1
        return hashed == f"hash of {plain}"


class MemoryAttempts:
    def __init__(self) -> None:
        self.known: dict[str, Attempts] = {}
        self.trusted: set[str] = set()

    async def trusts(self, key: str) -> bool:
        return key in self.trusted

    async def trust(self, key: str, now: datetime) -> None:
        self.trusted.add(key)

    async def of(self, key: str) -> Attempts:
        return self.known.get(key, Attempts(key))

    async def save(self, attempts: Attempts) -> None:
        if (await self.of(attempts.key)).version != attempts.version:
            raise Stale("Somebody signs in.")
        self.known[attempts.key] = replace(attempts, version=attempts.version + 1)

    async def forget(self, key: str) -> None:
        self.known.pop(key, None)


class MemorySessions:
    def __init__(self) -> None:
        self.known: dict[str, Session] = {}

    async def begin(self, session: Session) -> None:
        self.known[session.id] = session

    async def at(self, session_id: str) -> Session | None:
        return self.known.get(session_id)

    async def advance(self, before: Session, after: Session) -> bool:
        if self.known.get(before.id) != before:
            return False
        self.known[before.id] = after
        return True

    async def end(self, session: Session) -> None:
        self.known.pop(session.id, None)

    async def end_all(self, tenant_id: str, user_id: str) -> None:
        for it in list(self.known.values()):
            if (it.tenant_id, it.user_id) == (tenant_id, user_id):
                await self.end(it)


class SpokenTokens:
    """Tokens that say what they are for."""

    def for_user(self, user: Slot[User], session_id: str) -> AccessToken:
        role = user.value.role.name if user.value is not None else ""
        return AccessToken(f"{user.tenant_id}/{user.id}/{role}", timedelta(minutes=15))

    def for_service(self, service: str) -> AccessToken:
        return AccessToken(f"service:{service}", timedelta(minutes=15))
