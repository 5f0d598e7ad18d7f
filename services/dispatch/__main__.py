"""python -m services.dispatch: the router, as a process."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from centralita.dispatch.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from centralita.dispatch.v1.dispatch_service_pb2_grpc import add_DispatchServiceServicer_to_server
from centralita.dispatch.v1.explain_service_pb2_grpc import add_ExplainServiceServicer_to_server
from centralita.dispatch.v1.removal_service_pb2_grpc import add_RemovalServiceServicer_to_server
from centralita.dispatch.v1.simulation_service_pb2_grpc import (
    add_SimulationServiceServicer_to_server,
)

from services.kernel.bus import connected
from services.kernel.clock import utc_now
from services.kernel.consume import consuming
from services.kernel.ending import ended
from services.kernel.health import health
from services.kernel.identity import Guard
from services.kernel.ids import new_id
from services.kernel.keys import Jwks
from services.kernel.run import Running, run_from_env
from services.kernel.serve import Exposed, serving
from services.kernel.standing import hearing_standing

from .adapters.acts import JetStreamActs
from .adapters.asking import ExplainElsewhere
from .adapters.directory import JetStreamDirectory
from .adapters.head_waits import TellHeadWaits
from .adapters.leases import KeyValueLeases, leases
from .adapters.logs import JetStreamInputLog, JetStreamIntake, JetStreamJournal, shard_of
from .adapters.outlets import JetStreamOutlets
from .adapters.questions import AnswerQuestions, AskLeader
from .adapters.replies import replies
from .adapters.snapshots import ObjectStoreSnapshots
from .adapters.supposing import SupposeElsewhere
from .adapters.traces import Traces
from .audit_api import AuditApi
from .domain.errors import Refusal
from .explain_api import ExplainApi
from .grpc_api import CODES, DispatchApi
from .handlers import handlers
from .removal_api import RemovalApi
from .settings import Settings
from .simulation_api import SimulationApi
from .use_cases.acts import ListActs
from .use_cases.commands import Ask
from .use_cases.foresee import Foresee
from .use_cases.lead import LAST_WORDS_S, Lead
from .use_cases.ports import Checkpoint, Ports, passed
from .use_cases.queues import GetQueueStatus
from .use_cases.remind import Remind
from .use_cases.removal import CountWork, VacatePlace
from .use_cases.shards import ListShards
from .use_cases.tasks import CheckTasks
from .use_cases.waits import GetWait

log = logging.getLogger(__name__)


def clock() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def leading(lead: Lead, held: KeyValueLeases, shards: int) -> AsyncIterator[None]:
    """Lead whatever shards this process gets hold of; at the end, pass them on."""
    tasks = [asyncio.create_task(lead(shard)) for shard in range(shards)]
    try:
        yield
        await held.pass_on()
    finally:
        await ended(*tasks, again_after=LAST_WORDS_S + 1, at_most=2 * (LAST_WORDS_S + 1))


@asynccontextmanager
async def service(settings: Settings, checkpoint: Checkpoint = passed) -> AsyncIterator[Running]:
    owner_id = new_id()  # every tenant's managers see it, so it says nothing of the machine
    log.info("begins", extra={"replica_id": owner_id})
    async with (
        connected(settings.nats_url, name="dispatch") as bus,
        health("dispatch", bus) as well,
        leases(bus, owner_id, settings.shards, settings.settled_after.total_seconds()) as held,
        replies(bus) as inbox,
    ):
        intake = JetStreamIntake(bus, settings.shards)
        directory = JetStreamDirectory(bus, intake, settings.shards)
        traces = Traces()
        ports = Ports(
            inputs=JetStreamInputLog(bus, traces),
            journal=JetStreamJournal(bus, owner_id),
            snapshots=ObjectStoreSnapshots(bus),
            outlets=JetStreamOutlets(bus, traces),
            leases=held,
            clock=clock,
            checkpoint=checkpoint,
            duties=(
                Foresee(intake, clock),
                Remind(directory, intake),
                AnswerQuestions(bus, clock),
                TellHeadWaits(clock),
            ),
        )
        list_shards = ListShards(held, ports.journal, partial(shard_of, shards=settings.shards))
        explain = ExplainElsewhere(settings.nats_url, settings.shards)
        leader = AskLeader(bus, settings.shards)
        ask = Ask(intake, inbox, directory)
        count_work = CountWork(leader)
        async with (
            leading(Lead(ports), held, settings.shards),
            consuming(bus, handlers(intake), final=(Refusal,)),
            hearing_standing(bus) as standing,
            serving(
                settings.grpc_address,
                [
                    Exposed(
                        add_DispatchServiceServicer_to_server,
                        DispatchApi(
                            ask,
                            list_shards,
                            GetWait(leader),
                            GetQueueStatus(leader, directory),
                            CheckTasks(leader),
                        ),
                    ),
                    Exposed(
                        add_RemovalServiceServicer_to_server,
                        RemovalApi(count_work, VacatePlace(ask, count_work)),
                    ),
                    Exposed(add_ExplainServiceServicer_to_server, ExplainApi(explain)),
                    Exposed(
                        add_SimulationServiceServicer_to_server, SimulationApi(SupposeElsewhere())
                    ),
                    Exposed(
                        add_AuditServiceServicer_to_server,
                        AuditApi(ListActs(JetStreamActs(bus), utc_now)),
                    ),
                ],
                guard=Guard(
                    Jwks(settings.jwks_url), settings.issuer, settings.audience, standing=standing
                ),
                health=well,
                codes=CODES,
            ) as address,
        ):
            yield Running(grpc_address=address, health=well)


if __name__ == "__main__":
    run_from_env(service, Settings)
