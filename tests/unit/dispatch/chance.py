"""The same long day for every process: run as a program it prints the hash of its journal."""

import sys
from random import Random

from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    AgentSelection,
    CompleteTask,
    DeclineOffer,
    Fact,
    PresenceObserved,
    QueueConfigured,
    Role,
    TaskClosed,
    TaskSubmitted,
)
from tests.faults.book import HELD, RINGS
from tests.faults.ledger import Ledger
from tests.unit.dispatch.desk import Desk

TENANTS = ("acme", "globex")
QUEUES = ("sales", "support", "vip")
SKILLS = ((), (("es", 1),), (("de", 2), ("es", 3)))


def day(seed: int, inputs: int) -> Desk:
    """Run a router through chance events of one seed."""
    dice, desk = Random(seed), Desk()
    for number in range(inputs):
        desk.now += dice.choice((0, 1, 40, 900))
        desk.wait(0)
        tenant = dice.choice(TENANTS)
        if dice.random() < 0.6:
            _act(dice, desk, number)
        else:
            desk.give(_fact(dice, desk, tenant, number))
        if dice.random() < 0.01:
            desk.save_and_load()
    return desk


def _fact(dice: Random, desk: Desk, tenant: str, number: int) -> Fact:
    agent = f"agent-{dice.randrange(12)}"
    match dice.randrange(12):
        case 0:
            return QueueConfigured(
                tenant,
                dice.choice(QUEUES),
                number,
                agent_selection=dice.choice(tuple(AgentSelection)),
                offer_timeout_ms=dice.choice((2_000, 20_000)),
                priority=dice.randrange(1, 100),
            )
        case 1 | 2:
            of = tuple(sorted(dice.sample(QUEUES, dice.randrange(4))))
            has = dice.choice(SKILLS)
            return AgentConfigured(tenant, agent, number, False, of, has, dice.randrange(4))
        case 3 | 4 | 5:
            there, willing = dice.random() < 0.8, dice.random() < 0.8
            return PresenceObserved(tenant, agent, number, there, willing)
        case 6:
            return TaskClosed(tenant, f"task-{dice.randrange(number + 1)}")
        case _:
            since = desk.now - dice.randrange(500)
            needs = dice.choice(SKILLS)
            return TaskSubmitted(tenant, f"task-{number}", dice.choice(QUEUES), since, 1, needs)


def _act(dice: Random, desk: Desk, number: int) -> None:
    """Let somebody answer what rings or complete what they hold."""
    some = _with_somebody(desk.ledger)
    if not some:
        return
    tenant, task, agent, rings = dice.choice(some)
    request = f"r-{number}"
    if not rings:
        desk.give(CompleteTask(tenant, task, agent, Role.AGENT, request, "inbox.1"))
    elif dice.random() < 0.8:
        desk.give(AcceptOffer(tenant, task, agent, request, "inbox.1"))
    else:
        desk.give(DeclineOffer(tenant, task, agent, request, "inbox.1"))


def _with_somebody(ledger: Ledger) -> list[tuple[str, str, str, bool]]:
    return [
        (tenant, task_id, agent_id, task.place == RINGS)
        for (tenant, task_id), task in ledger.tasks.items()
        if task.place in {RINGS, HELD}
        for agent_id in sorted(task.offers) or [task.agent_id]
    ]


if __name__ == "__main__":
    done = day(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(f"{done.position.chain.hex()} {done.position.sequence} {done.problems}\n")
