"""python -m services.ingestion: build every part once, run until told to stop."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from centralita.ingestion.v1.ingestion_service_pb2_grpc import (
    add_IngestionServiceServicer_to_server,
)

from services.kernel.bus import connected
from services.kernel.channels import ServiceToken, channel
from services.kernel.clock import utc_now
from services.kernel.consume import consuming
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.keys import Jwks
from services.kernel.mongo import database
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.serve_http import serving_http

from .adapters.bells import bells
from .adapters.bus import BusFacts
from .adapters.callbacks import callbacks
from .adapters.channels.custom import CustomConnector
from .adapters.channels.webchat import WebchatConnector
from .adapters.directory import cached
from .adapters.mongo import MongoDeliveries, MongoReplies, create_indexes
from .adapters.refusals import StreamRefusals
from .adapters.waits import GrpcConversations, GrpcRouter
from .domain.account import Channel
from .domain.errors import Refusal
from .domain.gate import Gate
from .domain.rates import Rate, VisitorRates
from .grpc_api import CODES, IngestionApi
from .handlers import handlers
from .http_api import channel_routes, cross_origin, webchat_routes
from .settings import Settings
from .use_cases import (
    AcceptMessage,
    AcceptStatus,
    Connector,
    DeliverReply,
    ReadRefusals,
    ReadReplies,
    Sessions,
    TellWait,
)


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    token = ServiceToken(settings.directory_address, "ingestion", settings.service_secret)
    async with (
        connected(settings.nats_url, name="ingestion") as bus,
        database(settings.mongo_url, settings.mongo_database) as db,
        health("ingestion", bus, db) as well,
        channel(settings.directory_address, token=token) as directory,
        channel(settings.conversations_address, token=token) as conversations,
        channel(settings.dispatch_address, token=token) as dispatch,
        cached(directory, bus) as accounts,
        callbacks(utc_now, allow_private=settings.allow_private_callbacks) as poster,
        bells(bus, settings.webchat_keep_alive.total_seconds()) as doorbells,
    ):
        await create_indexes(db)
        facts, deliveries = BusFacts(bus, utc_now), MongoDeliveries(db)
        replies = MongoReplies(db, utc_now)
        messages = Rate(settings.webchat_client_rate, settings.webchat_client_burst)
        openings = Rate(settings.webchat_session_rate, settings.webchat_session_burst)
        custom = CustomConnector(poster, utc_now)
        webchat = WebchatConnector(replies, doorbells)
        connectors: Mapping[Channel, Connector] = {
            Channel.CUSTOM: custom,
            Channel.WEBCHAT: webchat,
        }
        accept = AcceptMessage(
            accounts, connectors, facts, utc_now, {Channel.WEBCHAT: _rates(settings, messages)}
        )
        report = AcceptStatus(accounts, {Channel.CUSTOM: custom}, deliveries, facts, utc_now)
        refusals = StreamRefusals(bus)
        read_refusals = ReadRefusals(accounts, {Channel.CUSTOM: custom}, refusals, utc_now)
        deliver = DeliverReply(
            accounts=accounts,
            connectors=connectors,
            deliveries=deliveries,
            fates=facts,
            clock=utc_now,
            gate=Gate(settings.calls_per_account),
        )
        # Buckets of their own each: who opens sessions, or asks, without end keeps no message out.
        sessions = Sessions(accounts, utc_now, _rates(settings, openings))
        reading = ReadReplies(replies, doorbells, utc_now)
        tell_wait = TellWait(
            accounts,
            connectors,
            GrpcConversations(conversations),
            GrpcRouter(dispatch),
            utc_now,
            {Channel.WEBCHAT: _rates(settings, messages)},
        )
        routes = [
            *channel_routes(accept, report, tell_wait, read_refusals),
            *webchat_routes(sessions, accept, reading, tell_wait),
        ]
        async with (
            consuming(bus, handlers(accept, facts, deliver), final=(Refusal,)),
            serving(
                settings.grpc_address,
                [Exposed(add_IngestionServiceServicer_to_server, IngestionApi(accept))],
                guard=Guard(Jwks(settings.jwks_url), settings.issuer, settings.audience),
                health=well,
                codes=CODES,
            ) as grpc_address,
            serving_http(
                settings.http_address, routes, codes=CODES, middlewares=[cross_origin]
            ) as http_address,
        ):
            yield Running(grpc_address=grpc_address, http_address=http_address, health=well)


def _rates(settings: Settings, client: Rate) -> VisitorRates:
    return VisitorRates(
        account=Rate(settings.webchat_account_rate, settings.webchat_account_burst),
        client=client,
        visitor=Rate(settings.webchat_visitor_rate, settings.webchat_visitor_burst),
        now=time.monotonic,
    )


if __name__ == "__main__":
    run_from_env(service, Settings)
