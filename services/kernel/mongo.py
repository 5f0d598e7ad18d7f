"""The service's own database, where an acknowledged write survives the loss of a node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorDatabase

PRIMARY = "isWritablePrimary"  # what `hello` calls a node that takes writes

Database = AsyncIOMotorDatabase[dict[str, Any]]


class UnsafeStore(RuntimeError):
    """The store at hand does not keep what it acknowledges, or is not writable."""


@asynccontextmanager
async def database(url: str, name: str) -> AsyncIterator[Database]:
    """Open database `name`; dates are aware, writes are acknowledged by a majority's journal.

    Raises UnsafeStore at start if that is not so. Outages heal by themselves; meanwhile a call
    fails after 5 seconds, and a write that failed may have happened.
    """
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        url,
        appname=name,
        tz_aware=True,
        w="majority",
        journal=True,
        wtimeoutMS=10_000,
        retryWrites=True,
        serverSelectionTimeoutMS=5_000,
        connectTimeoutMS=5_000,
        socketTimeoutMS=30_000,
    )
    try:
        database = client[name]
        await _insist_on_safety(database)
        yield database
    finally:
        client.close()


async def _insist_on_safety(database: Database) -> None:
    asked = database.write_concern.document
    if asked.get("w") != "majority" or asked.get("j") is not True:
        raise UnsafeStore("writes must be w=majority, j=true; the URL says otherwise")
    hello = await database.client.admin.command("hello")
    if not hello.get(PRIMARY):
        raise UnsafeStore("the store is not a writable primary")
