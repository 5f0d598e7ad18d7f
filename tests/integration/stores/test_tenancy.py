"""No tenant can tell from any store that others are there, nor touches what is theirs."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

import services
from services.kernel.mongo import Database
from tests.integration.stores import (
    of_contacts,
    of_conversations,
    of_directory,
    of_ingestion,
    of_presence,
    of_projections,
)
from tests.integration.stores.witness import (
    ME,
    NEIGHBOURS,
    Asked,
    Case,
    answers,
    documents,
    emptied,
    public_methods,
)

CASES: Sequence[Case] = [
    of_contacts.CASE,
    of_conversations.CASE,
    of_directory.CASE,
    of_ingestion.CASE,
    of_presence.CASE,
    of_projections.CASE,
]

#: What knows no tenant, and why.
OF_NOBODY: Mapping[str, str] = {
    "MongoKeys": "signing keys are the installation's",
    "MongoHistory.keep_up": "stores for ever what `keep_soon` was given, the way `keep` does",
    "TellMends": "a counter of the installation's mends",
    "Seal": "seals whatever it is given",
    "Noted": "an entry of the dispatch shards' own bucket",
    "SupposeElsewhere": "asks another process",
    "Traces": "names tasks by tenant and id in one key, and is lost without harm",
}


def kept_in(opened: Mapping[str, Any]) -> dict[str, Asked]:
    return {name: Asked(store) for name, store in opened.items()}


@pytest.mark.parametrize("case", CASES, ids=Case.told)
async def test_a_tenant_is_answered_beside_others_as_if_it_were_alone(
    db: Database, case: Case
) -> None:
    async with case.opened(db) as opened:
        stores = kept_in(opened)
        alone = [await answers(part, stores, ME) for part in (case.use, case.look)]
    await emptied(db)
    async with case.opened(db) as opened:
        stores = kept_in(opened)
        for other in NEIGHBOURS:
            await answers(case.use, stores, other)
        theirs = [await answers(case.look, stores, other) for other in NEIGHBOURS]
        before = await documents(db)
        beside = [await answers(part, stores, ME) for part in (case.use, case.look)]
        after = await documents(db)
        assert beside == alone
        assert {key: after.get(key) for key in before} == before
        assert [await answers(case.look, stores, other) for other in NEIGHBOURS] == theirs


@pytest.mark.parametrize("case", CASES, ids=Case.told)
async def test_every_method_of_a_store_is_asked(db: Database, case: Case) -> None:
    async with case.opened(db) as opened:
        stores = kept_in(opened)
        for part in (case.use, case.look):
            await answers(part, stores, NEIGHBOURS[0])
            await answers(part, stores, ME)
    for asked in stores.values():
        kind = type(asked.store)
        excused = {name for name in public_methods(kind) if f"{kind.__name__}.{name}" in OF_NOBODY}
        assert public_methods(kind) - {"prepare"} - excused == asked.methods, kind.__name__


async def test_every_store_has_a_case(db: Database) -> None:
    known = set(OF_NOBODY)
    for case in CASES:
        async with case.opened(db) as opened:
            known |= {type(store).__name__ for store in opened.values()}
    assert set(stores_of_all_services()) <= known


def stores_of_all_services() -> Iterator[str]:
    """Name whatever keeps data: all that speaks to MongoDB, all that is filled after it is made."""
    for service in pkgutil.iter_modules(services.__path__, "services."):
        if importlib.util.find_spec(f"{service.name}.adapters") is None:
            continue
        adapters = importlib.import_module(f"{service.name}.adapters")
        for found in pkgutil.walk_packages(adapters.__path__, f"{adapters.__name__}."):
            module = importlib.import_module(found.name)
            for name, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ == module.__name__ and keeps_data(kind):
                    yield name


def keeps_data(kind: type) -> bool:
    if kind.__name__.startswith("Mongo"):
        return True
    if issubclass(kind, Exception):
        return False
    with suppress(TypeError):
        return bool(vars(kind()))
    return False
