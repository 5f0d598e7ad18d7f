"""R7: a handler that always fails discards nothing and holds nobody up."""

from pathlib import Path

import pytest
from faststream.nats import NatsRouter
from nats.js.api import RawStreamMsg

from services.dispatch.adapters.logs import JetStreamIntake
from services.dispatch.domain.inputs import Command, Fact, TaskSubmitted
from services.dispatch.handlers import handlers
from services.kernel.bus import Bus, connected
from services.kernel.consume import consuming
from services.kernel.dead import letters, replay
from tests.faults.floor import SHARDS, floor
from tests.faults.routers import routers
from tests.faults.test_router import audited
from tests.servers import NatsServer
from tests.streams import until

pytestmark = pytest.mark.timeout(120)

CURSED = "task-3"


class Cursed:
    """Takes everything in but one task."""

    def __init__(self, intake: JetStreamIntake) -> None:
        self._intake = intake
        self.lifted = False

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        if isinstance(it, TaskSubmitted) and it.task_id == CURSED and not self.lifted:
            raise ZeroDivisionError
        await self._intake.append(it, dedup_id)


async def first_letter(bus: Bus) -> RawStreamMsg | None:
    return await anext(letters(bus), None)


def impatient(router: NatsRouter) -> NatsRouter:
    """Give up after three tries instead of eight; all else is as declared."""
    for subscriber in router.subscribers:
        subscriber.config.max_deliver = 3  # type: ignore[attr-defined] # as declared by consumer()
    return router


async def test_what_a_handler_cannot_take_is_kept_with_its_cause_and_the_rest_goes_on(
    private_nats: NatsServer, tmp_path: Path
) -> None:
    async with (
        connected(private_nats.url, name="failing") as bus,
        floor(private_nats.url) as people,
    ):
        intake = Cursed(JetStreamIntake(bus, SHARDS))
        with routers(private_nats.url, tmp_path) as them:
            async with consuming(bus, impatient(handlers(intake))):
                # Its own handlers wait until the ones that fail have had their say.
                await people.submit(20)
                letter = await until(lambda: first_letter(bus), within=20)
                assert letter is not None
                headers = letter.headers or {}
                assert letter.subject == "dead.CONVERSATIONS.dispatch-submit-task"
                assert headers["Dead-Cause"] == "ZeroDivisionError"
                assert headers["Dead-Deliveries"] == "3"
                them.start()
                await until(lambda: len(people.completed) == 19, within=30)
                intake.lifted = True
                await replay(bus, letter)
                await people.done()
            assert await first_letter(bus) is None
        await audited(private_nats, people)
