"""What one input may not cost, however many agents and tasks there are: in calls, not in time."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from services.dispatch.domain.decisions import Decision, Offered, Overflowed
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import (
    ASK_AGAIN_AFTER_MS,
    AcceptOffer,
    AgentConfigured,
    GroupConfigured,
    Input,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    Relaxation,
    RingStrategy,
    Role,
    SetQueueMode,
    Skills,
    TaskSubmitted,
    TenantConfigured,
)
from services.dispatch.domain.policy import Policy
from services.dispatch.domain.refusals import REMEMBERED
from services.dispatch.domain.state import State
from tests.unit.dispatch.desk import ACME, NINE, Desk
from tests.unit.dispatch.steps import calls

DESERTED = Policy(overflow_when_nobody=True)
RARE: Skills = (("rare", 5),)


class House:
    """A router without bytes: what is told is decided and folded, and its calls are counted."""

    def __init__(self) -> None:
        self.state = State()
        self.now = NINE
        self.made: list[Decision] = []

    def tell(self, it: Input) -> int:
        self.now += 1
        return calls(lambda: self._step(it))

    def _step(self, it: Input) -> None:
        self.made = step(self.state, it, self.now)

    def staffed(self, agents: Iterable[Skills], capacity: int | None = 1) -> None:
        """Have agents of these skills work."""
        for number, skills in enumerate(agents):
            agent_id = f"agent-{number}"
            self.tell(AgentConfigured(ACME, agent_id, 1, False, ("sales",), skills, capacity))
            self.tell(PresenceObserved(ACME, agent_id, 1, connected=True, receive_new=True))

    def wait(self, tasks: int, skills: Skills = ()) -> None:
        for number in range(tasks):
            self.tell(TaskSubmitted(ACME, f"task-{number}", "sales", self.now, 1, skills))

    def count(self, kind: type[Decision]) -> int:
        return sum(isinstance(it, kind) for it in self.made)


def differing(number: int) -> Iterator[Skills]:
    """Return agents each with a skill of their own, the last with a rare one besides."""
    for one in range(number):
        own = ((f"skill-{one}", 3),)
        yield (*RARE, *own) if one == number - 1 else own


def toggled(agents: int, tasks: int, relaxations: tuple[Relaxation, ...] = ()) -> int:
    """Return what it costs that the first of many agents receives no more, while others wait."""
    house = House()
    house.tell(QueueConfigured(ACME, "sales", 1, policy=DESERTED, relaxations=relaxations))
    house.staffed(differing(agents))
    house.wait(tasks, RARE)
    cost = house.tell(PresenceObserved(ACME, "agent-0", 2, connected=True, receive_new=False))
    assert house.count(Overflowed) == 0
    return cost


@pytest.mark.parametrize("relaxations", [(), (Relaxation(60_000, "rare", 1),)])
def test_who_leaves_is_not_asked_about_by_every_task_that_waits(
    relaxations: tuple[Relaxation, ...],
) -> None:
    assert toggled(10, 200, relaxations) <= toggled(10, 20, relaxations) + 50


def test_who_leaves_is_not_asked_about_for_what_they_could_never_take() -> None:
    assert toggled(200, 20) <= toggled(20, 20) + 50


def test_nobody_is_looked_for_once_for_each_who_asks_the_same() -> None:
    def leaves(agents: int) -> int:
        house = House()
        house.tell(QueueConfigured(ACME, "sales", 1, policy=DESERTED))
        house.staffed(differing(agents))
        house.wait(50, RARE)
        last = f"agent-{agents - 1}"
        cost = house.tell(PresenceObserved(ACME, last, 2, connected=True, receive_new=False))
        assert house.count(Overflowed) == 50
        return cost

    assert leaves(100) <= leaves(10) + 1_000


# Many are free at once


def of_one_offer(house: House, it: Input, offers: int) -> float:
    cost = house.tell(it)
    assert house.count(Offered) == offers
    return cost / offers


def usual_capacity_is_raised(agents: int) -> float:
    house = House()
    house.tell(QueueConfigured(ACME, "sales", 1))
    house.tell(TenantConfigured(ACME, 1, 1))
    house.staffed((() for _ in range(agents)), capacity=None)
    house.wait(4 * agents)
    return of_one_offer(house, TenantConfigured(ACME, 2, 3), 2 * agents)


def a_group_is_free_at_once(agents: int) -> float:
    house = House()
    house.tell(QueueConfigured(ACME, "sales", 1))
    members = tuple(f"agent-{number}" for number in range(agents))
    house.tell(GroupConfigured(ACME, "desk", 1, member_ids=members))
    house.staffed(() for _ in range(agents))
    house.tell(TaskSubmitted(ACME, "of-all", "", house.now, group_id="desk"))
    house.wait(2 * agents)
    return of_one_offer(house, AcceptOffer(ACME, "of-all", "agent-0", "r"), agents - 1)


def a_queue_of_many_demands_is_opened(agents: int) -> float:
    house = House()
    house.tell(QueueConfigured(ACME, "sales", 1))
    house.tell(SetQueueMode(ACME, "sales", QueueMode.PAUSED, "boss", Role.MANAGER, "p"))
    skills = tuple((f"skill-{number}", 1) for number in range(agents))
    house.staffed(skills for _ in range(agents))
    for number, needed in enumerate(skills):
        task = TaskSubmitted(ACME, f"task-{number}", "sales", house.now, 1, (needed,))
        house.tell(task)
    opened = SetQueueMode(ACME, "sales", QueueMode.OPEN, "boss", Role.MANAGER, "o")
    return of_one_offer(house, opened, agents)


def members_of_a_group_come_to_many_tasks(agents: int) -> float:
    house = House()
    members = tuple(f"agent-{number}" for number in range(agents))
    house.staffed(() for _ in range(agents))
    for number in range(4 * agents):
        task = TaskSubmitted(ACME, f"task-{number}", "", house.now, group_id="desk")
        house.tell(task)
    strategy = RingStrategy.SEQUENTIAL
    it = GroupConfigured(ACME, "desk", 1, member_ids=members, ring_strategy=strategy)
    return of_one_offer(house, it, agents)


@pytest.mark.parametrize(
    ("cost_of_an_offer", "growth"),
    [
        (usual_capacity_is_raised, 1.3),
        (a_group_is_free_at_once, 1.3),
        (a_queue_of_many_demands_is_opened, 1.3),
        (members_of_a_group_come_to_many_tasks, 2.5),  # a group looks at each member
    ],
)
def test_an_offer_costs_no_more_where_many_are_free_at_once(
    cost_of_an_offer: Callable[[int], float], growth: float
) -> None:
    assert cost_of_an_offer(60) <= growth * cost_of_an_offer(15)


# Much was refused


def test_a_task_does_not_remember_everybody_who_ever_refused_it() -> None:
    desk = Desk()
    agents = [f"agent-{number:02}" for number in range(40)]
    for agent in agents:
        desk.works(agent)
    desk.submit("t1")
    for _ in agents:
        (who,) = desk.task("t1").offers
        desk.now += 100
        desk.decline(who, "t1")
    assert desk.task("t1").excluded == tuple(agents), "nobody is asked before their pause is over"
    desk.save_and_load()
    desk.wait(ASK_AGAIN_AFTER_MS)
    assert len(desk.task("t1").refused) == REMEMBERED + len(desk.task("t1").excluded)
    assert desk.place("t1") == "rings agent-00", "who is forgotten comes before who is not"
    known = desk.state.tenants[ACME].agents
    assert sum(len(known[agent].refused) for agent in agents) == len(desk.task("t1").refused)
    assert desk.problems == []
