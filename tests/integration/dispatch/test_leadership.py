"""A replica whose lease ran out stops deciding by itself: nobody has to refuse what it decides."""

import asyncio
import time
from datetime import timedelta

from services.dispatch.__main__ import service
from services.dispatch.adapters.roster import LEASE_S
from services.dispatch.settings import Settings
from services.dispatch.use_cases.lead import LOOK_UP_S
from tests.servers import NatsServer
from tests.streams import until

QUIET_S = 4 * LOOK_UP_S
"""A leader without work looks up four times in it."""


async def test_a_leader_that_cannot_renew_its_lease_decides_nothing_any_more(
    private_nats: NatsServer,
) -> None:
    decided: list[float] = []

    def passed(checkpoint: str) -> None:
        if checkpoint == "decided":
            decided.append(time.monotonic())

    settings = Settings(
        private_nats.url,
        grpc_address="127.0.0.1:0",
        shards=1,
        settled_after=timedelta(seconds=0.2),
    )
    async with service(settings, passed):
        await until(lambda: len(decided) > 4, within=10)
        private_nats.freeze()
        frozen = time.monotonic()
        try:
            await until(lambda: time.monotonic() - decided[-1] > QUIET_S, within=LEASE_S + 5)
            assert decided[-1] - frozen <= LEASE_S + 2 * LOOK_UP_S
            count = len(decided)
            await asyncio.sleep(QUIET_S)
            assert len(decided) == count, "it leads again, and nobody has said that it may"
        finally:
            private_nats.thaw()
        await until(lambda: len(decided) > count, within=10)
