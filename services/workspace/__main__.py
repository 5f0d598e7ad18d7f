"""python -m services.workspace: build every part once, run until told to stop."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from centralita.workspace.v1.workspace_service_pb2_grpc import (
    add_WorkspaceServiceServicer_to_server,
)

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.consume import consuming
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.keys import Jwks
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.standing import hearing_standing

from .adapters.last_words import LastOnCards, LastOnViewers
from .adapters.stream import JetStream, following
from .domain.errors import Refusal
from .domain.last_words import LastWords
from .grpc_api import CODES, WorkspaceApi
from .handlers import handlers
from .settings import Settings
from .use_cases.fold import FoldFact
from .use_cases.keep import KeepOpen
from .use_cases.list_cards import ListCards
from .use_cases.live import Live
from .use_cases.viewers import FollowUser
from .use_cases.watch import Watch


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Running]:
    live = Live(replay=settings.replay_changes, buffer=settings.watch_buffer, now=time.monotonic)
    words = LastWords()
    async with (
        connected(settings.nats_url, name="workspace") as bus,
        health("workspace", bus) as well,
        hearing_standing(bus) as standing,
    ):
        guard = Guard(
            Jwks(settings.jwks_url), settings.issuer, settings.audience, standing=standing
        )
        cards, viewers = LastOnCards(bus, utc_now), LastOnViewers(bus, utc_now)
        api = WorkspaceApi(ListCards(live), Watch(live, JetStream(bus)), live)
        async with (
            following(
                bus,
                live,
                words,
                KeepOpen(words, cards, utc_now),
                quiet=settings.watch_quiet.total_seconds(),
            ),
            consuming(bus, handlers(FoldFact(cards), FollowUser(viewers)), final=(Refusal,)),
            serving(
                settings.grpc_address,
                [Exposed(add_WorkspaceServiceServicer_to_server, api)],
                guard=guard,
                health=well,
                codes=CODES,
            ) as address,
        ):
            yield Running(grpc_address=address, health=well)


if __name__ == "__main__":
    run_from_env(service, Settings)
