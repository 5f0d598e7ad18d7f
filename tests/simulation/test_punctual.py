"""What is due is decided when it is due: nobody is held a tenth of a second beyond their limit."""

import asyncio
from collections.abc import Iterator
from random import Random

import pytest
from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.options.v1.options_pb2 import ROLE_OWNER

from services.dispatch.use_cases import lead
from tests.simulation.bus import Bus
from tests.simulation.loop import Machine, SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.router import Router

LATEST_MS = 100
"""The router's clock and the bus's differ by up to 40 ms in this world, as anywhere."""
LIMIT_MS = 1_500
CALLS = 20


def lateness(seed: int) -> list[int]:
    """Let agents finish, undisturbed and to the limit; return how late each was forced out."""
    dice = Random(seed)
    loop = SimulatedLoop(dice)
    bus = Bus(dice)
    router = Router(bus, Network(dice, lost=0, late=0), "p", leased=False)
    machine = Machine("p")
    loop.boot(machine, router.lead())
    try:
        loop.run_until_complete(_an_afternoon(bus, dice))
    finally:
        loop.kill(machine)
        loop.bury([machine])
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
    return list(_late(bus))


async def _an_afternoon(bus: Bus, dice: Random) -> None:
    """Give agents calls by hand, and end each: after that nothing comes in for a long while."""
    policy = wire.QueuePolicy(
        after_service=directory.AfterService.MODE_LIMITED, after_service_limit_ms=LIMIT_MS
    )
    queue = wire.QueueConfigured(queue_id="sales", version=1, policy=policy)
    _tell(bus, queue_configured=queue)
    for number in range(CALLS):
        agent, call = f"a{number}", f"t{number}"
        agent_configured = wire.AgentConfigured(
            agent_id=agent, version=1, queue_ids=["sales"], capacity=1
        )
        _tell(bus, agent_configured=agent_configured)
        seen = wire.PresenceObserved(agent_id=agent, version=1, connected=True)
        _tell(bus, presence_observed=seen)
        submitted = wire.TaskSubmitted(
            task_id=call, queue_id="sales", enqueued_at_ms=bus.now(), cost=1
        )
        _tell(bus, task_submitted=submitted)
        given = wire.AssignTask(
            task_id=call, actor_id="boss", actor_role=ROLE_OWNER, assignee_id=agent
        )
        _tell(bus, assign_task=given)
        _tell(bus, task_closed=wire.TaskClosed(task_id=call))
        await asyncio.sleep(dice.random() * 3)
    await asyncio.sleep(2 * LIMIT_MS / 1000)


def _tell(bus: Bus, **body: object) -> None:
    bus.take_in(wire.Input(tenant_id="acme", **body).SerializeToString())  # type: ignore[arg-type] # one of its bodies


def _late(bus: Bus) -> Iterator[int]:
    ends_at: dict[str, int] = {}
    for stored in bus.records:
        for step in wire.Record.FromString(stored.data).steps:
            for decision in step.decisions:
                started, completed = decision.after_service_started, decision.completed
                if started.task_id:
                    ends_at[started.task_id] = started.ends_at_ms
                elif completed.forced:
                    # Committed, not only decided: by then the agent is free for everybody.
                    yield max(step.at_ms, stored.at) - ends_at[completed.task_id]


@pytest.mark.parametrize("seed", range(5))
def test_after_service_ends_within_a_tenth_of_a_second_of_its_limit(seed: int) -> None:
    late = lateness(seed)

    assert len(late) == CALLS
    assert 0 <= max(late) <= LATEST_MS


def test_a_router_that_only_looks_up_now_and_then_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lead._Term, "patience", lambda _: lead.LOOK_UP_S)

    assert max(lateness(0)) > LATEST_MS
