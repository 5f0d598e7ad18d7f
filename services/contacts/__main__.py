"""python -m services.contacts: who writes and calls."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.contacts.v1.contacts_service_pb2_grpc import add_ContactsServiceServicer_to_server

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.ids import new_id
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.outbox import outbox
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.standing import hearing_standing

from .adapters.mongo import MongoContacts, prepare
from .grpc_api import CODES, ContactsApi
from .messages import refused_text
from .settings import Settings
from .use_cases import ReadContacts, ResolveContact


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    async with (
        connected(settings.nats_url, name="contacts") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        health("contacts", bus, db) as well,
        outbox(db["contacts"], bus) as relay,
        hearing_standing(bus) as standing,
    ):
        await prepare(db["contacts"])
        contacts = MongoContacts(db["contacts"], relay, utc_now)
        api = ContactsApi(ResolveContact(contacts, new_id), ReadContacts(contacts))
        async with serving(
            settings.grpc_address,
            [Exposed(add_ContactsServiceServicer_to_server, api)],
            guard=Guard(
                Jwks(settings.jwks_url), settings.issuer, settings.audience, standing=standing
            ),
            health=well,
            codes=CODES,
            refused_text=refused_text,
        ) as address:
            yield Running(grpc_address=address, health=well)


if __name__ == "__main__":
    run_from_env(service, Settings)
