"""python -m services.presence: build every part once, run until told to stop."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.presence.v1.presence_service_pb2_grpc import add_PresenceServiceServicer_to_server

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.consume import consuming
from services.kernel.ending import beside
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.outbox import outbox
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.standing import hearing_standing

from .adapters import mongo_calls, mongo_history
from .adapters.abilities import following_abilities
from .adapters.bucket import BucketLeases
from .adapters.mongo import MongoPresences, prepare
from .adapters.mongo_calls import MongoCalls
from .adapters.mongo_history import MongoHistory
from .adapters.policies import following_policies
from .domain.errors import Refusal
from .domain.leases import LeaseBook
from .grpc_api import CODES, PresenceApi
from .handlers import end_bans, handlers, keeping_watch
from .settings import Settings
from .use_cases.agents import Agents
from .use_cases.cooling import EndBans
from .use_cases.devices import Disconnect, EndUser, Heartbeat
from .use_cases.reading import ReadHistory, ReadPresences
from .use_cases.watching import Watchman
from .use_cases.working import CountRefusals, FollowCalls


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    lease, now = settings.lease_seconds, time.monotonic
    async with (
        connected(settings.nats_url, name="presence") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        health("presence", bus, db) as well,
        outbox(db["presences"], bus) as relay,
        following_policies(bus) as policies,
        following_abilities(bus) as abilities,
        hearing_standing(bus) as standing,
    ):
        guard = Guard(
            Jwks(settings.jwks_url), settings.issuer, settings.audience, standing=standing
        )
        await prepare(db["presences"])
        await mongo_calls.prepare(db["calls"])
        await mongo_history.prepare(db["history"])
        history = MongoHistory(db["history"])
        presences = MongoPresences(db["presences"], history, relay.nudge, utc_now)
        leases, book = BucketLeases(bus, lease, utc_now), LeaseBook()
        agents = Agents(presences, policies, utc_now, settings.keep_choice)
        calls = FollowCalls(agents, MongoCalls(db["calls"], utc_now))
        api = PresenceApi(
            agents,
            Heartbeat(agents, leases, book, lease, now),
            Disconnect(agents, leases, book, now),
            ReadPresences(presences, abilities),
            ReadHistory(presences, history, utc_now),
        )
        async with (
            keeping_watch(
                bus,
                Watchman(agents, leases, book, lease, now, is_over=standing.is_over),
                presences,
                leases.flush,
                standing,
            ),
            beside(history.keep_up()),
            beside(end_bans(EndBans(agents, presences, utc_now).sweep)),
            consuming(
                bus,
                handlers(
                    calls,
                    CountRefusals(agents, policies),
                    EndUser(agents, presences, leases, history),
                ),
                final=(Refusal,),
            ),
            serving(
                settings.grpc_address,
                [Exposed(add_PresenceServiceServicer_to_server, api)],
                guard=guard,
                health=well,
                codes=CODES,
            ) as address,
        ):
            yield Running(grpc_address=address, health=well)


if __name__ == "__main__":
    run_from_env(service, Settings)
