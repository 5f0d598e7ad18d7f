"""What is unique, found at once and forgotten when, as the start of a service makes it.

The indexes and ages are written down a second time on purpose: whoever changes one changes it here
as well. No test here makes an index itself.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.contacts import __main__ as contacts
from services.contacts.settings import Settings as ContactsSettings
from services.conversations import __main__ as conversations
from services.conversations.settings import Settings as ConversationsSettings
from services.directory import __main__ as directory
from services.directory.settings import Settings as DirectorySettings
from services.ingestion import __main__ as ingestion
from services.ingestion.settings import Settings as IngestionSettings
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from services.presence import __main__ as presence
from services.presence.settings import Settings as PresenceSettings
from tests.integration.stores.test_tenancy import CASES, kept_in
from tests.integration.stores.witness import ME, NEIGHBOURS, NOW, Case, answers

Index = Mapping[str, Any]

DAY = 24 * 3600

#: Whatever tells others of its changes is found by what still waits to be told.
OUTBOX: Index = {"key": [("outbox.id", 1)], "sparse": True}


def _by(*fields: str, **told: Any) -> Index:
    """Return an index over fields; "-" before one turns its order round."""
    key = [(each.removeprefix("-"), -1 if each.startswith("-") else 1) for each in fields]
    return {"key": key, **told}


def _forgotten(field: str, seconds: int) -> Index:
    return {"key": [(field, 1)], "expireAfterSeconds": seconds}


OPEN = {"partialFilterExpression": {"state": "open"}}
LANE = ("tenant_id", "channel_account_id", "contact_id")

INDEXES: Mapping[str, Mapping[str, Mapping[str, Index]]] = {
    "contacts": {
        "contacts": {
            "identity": _by("tenant_id", "identities.key", unique=True),
            "outbox": OUTBOX,
        },
    },
    "conversations": {
        "conversations": {
            "lane_ordinal": _by(*LANE, "-ordinal", unique=True),
            "crossing": _by("crossing", sparse=True),
            "open_age": _by("opened_at", **OPEN),
            "open_address": _by(*LANE[:2], "recipient_address", **OPEN),
            "outbox": OUTBOX,
        },
        "messages": {"thread": _by("tenant_id", "conversation_id", "sent_at", "arrival")},
    },
    "directory": {
        "users": {
            "email": _by(
                "tenant_id",
                "value.email_lower",
                unique=True,
                partialFilterExpression={"value.email_lower": {"$exists": True}},
            ),
            "role": _by("tenant_id", "value.role"),
            "queues": _by("tenant_id", "value.queue_ids"),
            "outbox": OUTBOX,
        },
        "queues": {"tenant": _by("tenant_id"), "outbox": OUTBOX},
        "groups": {"users": _by("tenant_id", "value.user_ids"), "outbox": OUTBOX},
        "channel_accounts": {"queue": _by("tenant_id", "value.queue_id"), "outbox": OUTBOX},
        "presence_policies": {"outbox": OUTBOX},
        "sign_in_attempts": {"forgotten": _forgotten("last_at", 3600)},
        "trusted_sources": {"forgotten": _forgotten("last_at", 90 * DAY)},
        "sessions": {
            "ended": _forgotten("idle_until", 0),
            "user": _by("tenant_id", "user_id"),
        },
        "ended_sessions": {"forgotten": _forgotten("forgotten_at", 0), "outbox": OUTBOX},
    },
    "ingestion": {
        "deliveries": {
            "tenant_id_1_conversation_id_1_status_1_position_1": _by(
                "tenant_id", "conversation_id", "status", "position"
            ),
            "expires_at_1": _forgotten("expires_at", 0),
        },
        "webchat_replies": {
            "visitor_1_position_1": _by("visitor", "position"),
            "visitor_1_previous_1": _by("visitor", "previous", unique=True),
            "expires_at_1": _forgotten("expires_at", 0),
        },
    },
    "presence": {
        "presences": {
            "user": _by("tenant_id", "user_id", unique=True),
            "connected": _by("connected"),
            "cooling": _by("ban.until", sparse=True),
            "outbox": OUTBOX,
        },
        "calls": {
            "busy": _by("tenant_id", "busy"),
            "forget": _forgotten("heard_at", 8 * DAY),
        },
        "history": {
            "changes": _by("tenant_id", "user_id", "-version"),
            "times": _by("tenant_id", "user_id", "-at"),
            "forget": _forgotten("at", 400 * DAY),
        },
    },
}

SERVICES: Mapping[str, tuple[Callable[[Any], AbstractAsyncContextManager[Any]], Any]] = {
    "contacts": (contacts.service, ContactsSettings),
    "conversations": (conversations.service, ConversationsSettings),
    "directory": (directory.service, DirectorySettings),
    "ingestion": (ingestion.service, IngestionSettings),
    "presence": (presence.service, PresenceSettings),
}


async def indexes(db: Database) -> dict[str, dict[str, Index]]:
    """Return what the store has, but for the index of `_id` that it always has."""
    found: dict[str, dict[str, Index]] = {}
    for name in await db.list_collection_names():
        made = await db[name].index_information()
        made.pop("_id_", None)
        if made:
            found[name] = {each: _plain(index) for each, index in made.items()}
    return found


def _plain(index: Mapping[str, Any]) -> Index:
    told = {key: value for key, value in index.items() if key not in {"v", "ns"} and value}
    told |= {key: index[key] for key in ("expireAfterSeconds",) if key in index}
    return told | {"key": [(field, int(order)) for field, order in index["key"]]}


@pytest.mark.parametrize("name", INDEXES)
async def test_a_service_that_starts_makes_these_indexes_and_no_others(
    bus: Bus, nats_url: str, mongo_url: str, db: Database, name: str
) -> None:
    service, settings = SERVICES[name]
    told = {"mongo_database": db.name, "grpc_address": "127.0.0.1:0"}
    if name in {"directory", "ingestion"}:
        told["http_address"] = "127.0.0.1:0"
    if name in {"conversations", "ingestion"}:
        told["service_secret"] = "not asked for here"
    async with service(settings(nats_url, mongo_url, **told)):
        assert await indexes(db) == INDEXES[name]


#: What is written beside what ages, by collection: the moment from which its index counts.
COUNTED_FROM = {
    "deliveries": NOW + timedelta(days=30),
    "webchat_replies": NOW + timedelta(days=7),
    "calls": NOW,
    "sign_in_attempts": NOW,
    "trusted_sources": NOW,
    "ended_sessions": NOW + timedelta(minutes=16),
    "sessions": NOW + timedelta(days=1),
}


@pytest.mark.parametrize("case", CASES, ids=Case.told)
async def test_everything_that_ages_says_since_when(db: Database, case: Case) -> None:
    """An index forgets nothing that lacks its field, and whatever has the wrong moment in it."""
    async with case.opened(db) as opened:
        for tenant in (*NEIGHBOURS, ME):
            await answers(case.use, kept_in(opened), tenant)
    for name, made in (await indexes(db)).items():
        fields = [it["key"][0][0] for it in made.values() if "expireAfterSeconds" in it]
        for field in fields:
            moments = {it.get(field) async for it in db[name].find({}, {field: 1})}
            assert moments, name
            assert all(isinstance(each, datetime) for each in moments), name
            if name in COUNTED_FROM:
                assert moments == {COUNTED_FROM[name]}, name
