"""python -m services.presence: build every part once, run until told to stop."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.presence.v1.presence_service_pb2_grpc import add_PresenceServiceServicer_to_server

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.env import from_env
from services.kernel.identity import Guard
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.outbox import outbox
from services.kernel.run import Running, run
from services.kernel.serve import Exposed, serving

from .adapters.bucket import BucketLeases
from .adapters.mongo import MongoPresences, prepare
from .domain.leases import LeaseBook
from .grpc_api import CODES, PresenceApi
from .handlers import keeping_watch
from .settings import Settings
from .use_cases import Agents, Disconnect, Heartbeat, ReadPresences, Watchman


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    guard = Guard(Jwks(settings.jwks_url), settings.issuer, settings.audience)
    lease, now = settings.lease_seconds, time.monotonic
    async with (
        connected(settings.nats_url, name="presence") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        outbox(db["presences"], bus) as relay,
    ):
        await prepare(db["presences"])
        presences = MongoPresences(db["presences"], relay.nudge, utc_now)
        leases, book = BucketLeases(bus, lease, utc_now), LeaseBook()
        agents = Agents(presences, utc_now, settings.keep_choice)
        api = PresenceApi(
            agents,
            Heartbeat(agents, leases, book, lease, now),
            Disconnect(agents, leases, book, now),
            ReadPresences(presences),
            lease,
        )
        async with (
            keeping_watch(
                bus,
                Watchman(agents, leases, book, lease, now),
                presences,
                leases.flush,
                utc_now,
            ),
            serving(
                settings.grpc_address,
                [Exposed(add_PresenceServiceServicer_to_server, api)],
                guard=guard,
                codes=CODES,
            ) as address,
        ):
            yield Running(grpc_address=address)


if __name__ == "__main__":
    run(service, from_env(Settings))
