"""Sign-in attempts, sessions and signing keys in MongoDB. Nothing here opens anything stolen."""

import math
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from services.directory.domain.errors import Stale
from services.directory.domain.keys import SigningKey
from services.directory.domain.sign_in import FORGOTTEN_AFTER, TRUSTED_FOR, Attempts, Session
from services.directory.messages import session_ended
from services.kernel.clock import Clock
from services.kernel.ids import new_id
from services.kernel.mongo import Database
from services.kernel.outbox import Outbox, entry

from .seal import Seal


class MongoAttempts:
    """Keyed by hashes of tenant, name and source, so that no list of guessed names arises."""

    def __init__(self, db: Database) -> None:
        self._collection, self._trusted = db["sign_in_attempts"], db["trusted_sources"]

    async def prepare(self) -> None:
        await self._trusted.create_index(
            [("last_at", ASCENDING)],
            name="forgotten",
            expireAfterSeconds=int(TRUSTED_FOR.total_seconds()),
        )
        await self._collection.create_index(
            [("last_at", ASCENDING)],
            name="forgotten",
            expireAfterSeconds=int(FORGOTTEN_AFTER.total_seconds()),
        )

    async def of(self, key: str) -> Attempts:
        found = await self._collection.find_one({"_id": key})
        if found is None:
            return Attempts(key)
        return Attempts(key, found["failures"], found["last_at"], found["version"])

    async def save(self, attempts: Attempts) -> None:
        try:
            done = await self._collection.update_one(
                {"_id": attempts.key, "version": attempts.version},
                {
                    "$set": {"failures": attempts.failures, "last_at": attempts.last_at},
                    "$inc": {"version": 1},
                },
                upsert=attempts.version == 0,
            )
        except DuplicateKeyError as clash:
            raise Stale("Somebody signs in at the same moment.") from clash
        if not done.matched_count and done.upserted_id is None:
            raise Stale("Somebody signs in at the same moment.")

    async def forget(self, key: str) -> None:
        await self._collection.delete_one({"_id": key})

    async def trusts(self, key: str) -> bool:
        return await self._trusted.find_one({"_id": key}, {"_id": 1}) is not None

    async def trust(self, key: str, now: datetime) -> None:
        await self._trusted.update_one({"_id": key}, {"$set": {"last_at": now}}, upsert=True)


class MongoSessions:
    """Sessions, and those that ended while tokens of theirs may be good: these are told.

    An ended session is written down with its event before it is forgotten: who dies in between
    leaves a session that can be ended again.
    """

    def __init__(self, db: Database, relay: Outbox, clock: Clock, told_for: timedelta) -> None:
        self._sessions, self._ended = db["sessions"], db["ended_sessions"]
        self._relay, self._clock, self._told_for = relay, clock, told_for

    async def prepare(self) -> None:
        await self._sessions.create_index(
            [("idle_until", ASCENDING)], name="ended", expireAfterSeconds=0
        )
        await self._sessions.create_index(
            [("tenant_id", ASCENDING), ("user_id", ASCENDING)], name="user"
        )
        await self._ended.create_index(
            [("forgotten_at", ASCENDING)], name="forgotten", expireAfterSeconds=0
        )

    async def begin(self, session: Session) -> None:
        await self._sessions.insert_one({"_id": session.id, **_without_id(session)})

    async def at(self, session_id: str) -> Session | None:
        found = await self._sessions.find_one({"_id": session_id})
        return None if found is None else Session(id=found.pop("_id"), **found)

    async def advance(self, before: Session, after: Session) -> bool:
        done = await self._sessions.update_one(
            {"_id": before.id, "token_hash": before.token_hash}, {"$set": _without_id(after)}
        )
        return bool(done.matched_count)

    async def end(self, session: Session) -> None:
        now = self._clock()
        told = entry(session_ended(session), now)
        told["headers"]["Nats-TTL"] = f"{math.ceil(self._told_for.total_seconds())}s"
        with suppress(DuplicateKeyError):
            await self._ended.insert_one(
                {"_id": session.id, "forgotten_at": now + self._told_for, "outbox": [told]}
            )
        await self._sessions.delete_one({"_id": session.id})
        self._relay.nudge(session.id)

    async def end_all(self, tenant_id: str, user_id: str) -> None:
        found = self._sessions.find({"tenant_id": tenant_id, "user_id": user_id})
        async for each in found:
            await self.end(Session(id=each.pop("_id"), **each))

    async def has_ended(self, session_id: str) -> bool:
        return await self._ended.find_one({"_id": session_id}, {"_id": 1}) is not None


class MongoKeys:
    """Ed25519 keys, numbered by `_id`: of two that are made at once the second is refused."""

    def __init__(self, db: Database, seal: Seal) -> None:
        self._collection = db["signing_keys"]
        self._seal = seal

    async def all(self) -> list[SigningKey]:
        found = self._collection.find({}).sort("_id", ASCENDING)
        return [
            SigningKey(
                number=it["_id"],
                kid=it["kid"],
                private=self._seal.open(it["private"]),
                public=bytes(it["public"]),
                signs_from=it["signs_from"],
            )
            async for it in found
        ]

    async def add(self, key: SigningKey) -> None:
        try:
            await self._collection.insert_one(
                {
                    "_id": key.number,
                    "kid": key.kid,
                    "private": self._seal.close(key.private),
                    "public": key.public,
                    "signs_from": key.signs_from,
                }
            )
        except DuplicateKeyError:
            return  # another replica was faster; its key is as good

    async def remove(self, key: SigningKey) -> None:
        await self._collection.delete_one({"_id": key.number, "kid": key.kid})

    def fresh(self, number: int, signs_from: datetime) -> SigningKey:
        private = Ed25519PrivateKey.generate()
        return SigningKey(
            number=number,
            kid=new_id(),
            private=private.private_bytes_raw(),
            public=private.public_key().public_bytes_raw(),
            signs_from=signs_from,
        )


def _without_id(session: Session) -> dict[str, Any]:
    fields = asdict(session)
    del fields["id"]
    return fields
