"""The service's own database, where an acknowledged write survives the loss of a node."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, TypeVar

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCursor, AsyncIOMotorDatabase
from pymongo.errors import (
    ConfigurationError,
    InvalidURI,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from .env import Misconfigured
from .reachable import StoreReachable
from .unreadable import understood

PRIMARY = "isWritablePrimary"  # what `hello` calls a node that takes writes

Database = AsyncIOMotorDatabase[dict[str, Any]]
Cursor = AsyncIOMotorCursor[dict[str, Any]]

T = TypeVar("T")


class UnsafeStore(RuntimeError):
    """The store at hand does not keep what it acknowledges, or is not writable."""


@asynccontextmanager
async def database(url: str, name: str) -> AsyncIterator[Database]:
    """Open database `name`; dates are aware, writes are acknowledged by a majority's journal.

    Raises UnsafeStore at start if that is not so, and Misconfigured if the URL leads nowhere.
    Outages heal by themselves; meanwhile a call fails after 5 seconds, and a write that failed may
    have happened.
    """
    with _told_by_its_variable():
        client = _client(url, name)
    try:
        database = client[name]
        with _told_by_its_variable():
            await _insist_on_safety(database)
        yield database
    finally:
        client.close()


def _client(url: str, name: str) -> AsyncIOMotorClient[dict[str, Any]]:
    return AsyncIOMotorClient(
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
        event_listeners=[StoreReachable()],
    )


@contextmanager
def _told_by_its_variable() -> Iterator[None]:
    """Say what is wrong with the URL, and nothing of what stands in it."""
    try:
        yield
    except (ConfigurationError, InvalidURI) as no:
        raise Misconfigured({"MONGO_URL": "cannot be read: mongodb://user:password@host"}) from no
    except OperationFailure as no:
        rule = (
            f"is refused ({no.details and no.details.get('codeName')}): user, password, database?"
        )
        raise Misconfigured({"MONGO_URL": rule}) from no
    except ServerSelectionTimeoutError as no:
        rule = "leads to no server that answers, or to none of its replica set: is it started?"
        raise Misconfigured({"MONGO_URL": rule}) from no


async def readable(
    found: Cursor, read: Callable[[dict[str, Any]], T], most: int | None = None
) -> list[T]:
    """Return what can be read of what is found, `most` at most: a damaged document hides no other.

    One round trip, unless there is a damaged one.
    """
    where: str = found.collection.name  # type: ignore[attr-defined] # its stubs leave it out
    ones, seen = list[T](), 0
    while True:
        wanted = 0 if most is None else most - len(ones)
        documents = await found.clone().skip(seen).limit(wanted).to_list(None)
        seen += len(documents)
        known = (understood(where, partial(read, document)) for document in documents)
        ones += [one for one in known if one is not None]
        if most is None or len(ones) == most or len(documents) < wanted:
            return ones


async def _insist_on_safety(database: Database) -> None:
    asked = database.write_concern.document
    if asked.get("w") != "majority" or asked.get("j") is not True:
        raise UnsafeStore("writes must be w=majority, j=true; the URL says otherwise")
    hello = await database.client.admin.command("hello")
    if not hello.get(PRIMARY):
        raise UnsafeStore("the store is not a writable primary")
