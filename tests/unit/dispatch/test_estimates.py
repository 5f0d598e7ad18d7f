"""What is foretold of waits holds, by both its quantiles; where nobody can say, nothing is said."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

import pytest

from services.dispatch.domain.decisions import Decision, Offered
from services.dispatch.domain.engine import step
from services.dispatch.domain.estimates import Estimate, Pace
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    CompleteTask,
    Input,
    PresenceObserved,
    Role,
    TaskSubmitted,
)
from services.dispatch.domain.lines import Lines
from services.dispatch.domain.state import State
from services.dispatch.use_cases.waits import ExpectedWait, expected_wait
from tests.unit.dispatch.desk import ACME, NINE, Desk

MEAN_SERVICE_MS = 180_000


@dataclass
class Centre:
    """Customers who come by chance, agents who take as long as it takes: M/M/n on virtual time."""

    seed: int
    agents: int
    rings_ms: int = 0
    vips: float = 0.0
    state: State = field(default_factory=State)
    foretold: dict[str, Estimate] = field(default_factory=dict)
    waits: list[tuple[int, Estimate]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)
        self._heap: list[tuple[float, int, Input]] = []
        self._since: dict[str, int] = {}
        self._made = 0
        for number in range(self.agents):
            agent_id = f"a{number}"
            self._do(AgentConfigured(ACME, agent_id, 1, False, ("sales",), (), 1), NINE)
            self._do(PresenceObserved(ACME, agent_id, 1, True, True), NINE)

    def run(self, customers: int, load: float) -> None:
        rate = load * self.agents / MEAN_SERVICE_MS
        now = float(max(NINE, self.state.at))
        for _ in range(customers):
            now += self.dice.expovariate(rate)
            self._live(now)
            self._made += 1
            priority = 90 if self.dice.random() < self.vips else 50
            task_id, at = f"t{self._made}", int(now)
            self._do(TaskSubmitted(ACME, task_id, "sales", at, 1, (), priority), at)
            self._since[task_id] = at
            found = expected_wait(self.state, ACME, task_id, at)
            if found is not None and found.position and found.foretold is not None:
                self.foretold[task_id] = found.foretold
        self._live(float("inf"))

    def _live(self, until: float) -> None:
        while self._heap and self._heap[0][0] <= until:
            at, _, it = heappop(self._heap)
            self._do(it, int(at))

    def _later(self, at: float, it: Input) -> None:
        self._made += 1
        heappush(self._heap, (at, self._made, it))

    def _do(self, it: Input, at: int) -> None:
        decisions: list[Decision] = step(self.state, it, max(at, self.state.at))
        for one in decisions:
            if isinstance(one, Offered):
                self._answered(one, at)

    def _answered(self, offer: Offered, at: int) -> None:
        task_id, agent_id = offer.task_id, offer.agent_id
        accepted = at + self.rings_ms
        accept = AcceptOffer(ACME, task_id, agent_id)
        self._later(accepted, accept)
        over = accepted + self.dice.expovariate(1 / MEAN_SERVICE_MS)
        self._later(over, CompleteTask(ACME, task_id, agent_id, Role.AGENT))
        if task_id in self.foretold:
            wait = accepted - self._since[task_id]
            self.waits.append((wait, self.foretold.pop(task_id)))

    def covered(self) -> tuple[float, float]:
        """Return the share of waits that were over by P50, and by P90."""
        count = len(self.waits)
        by_p50 = sum(wait <= foretold.p50 for wait, foretold in self.waits)
        by_p90 = sum(wait <= foretold.p90 for wait, foretold in self.waits)
        return by_p50 / count, by_p90 / count


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("agents", "load", "rings_ms", "vips"),
    [
        pytest.param(10, 0.9, 0, 0.0, id="M/M/10"),
        pytest.param(3, 0.7, 0, 0.0, id="M/M/3"),
        pytest.param(40, 0.95, 0, 0.0, id="M/M/40"),
        pytest.param(10, 0.85, 8_000, 0.0, id="it rings a while"),
        pytest.param(10, 0.85, 0, 0.2, id="some overtake"),
    ],
)
def test_what_is_foretold_covers_as_many_waits_as_it_says(
    seed: int, agents: int, load: float, rings_ms: int, vips: float
) -> None:
    centre = Centre(seed, agents, rings_ms, vips)
    centre.run(6_000, load)
    p50, p90 = centre.covered()
    assert len(centre.waits) > 1_000
    assert 0.45 <= p50 <= 0.55
    assert 0.85 <= p90 <= 0.95


def test_after_half_the_agents_went_home_it_learns_the_new_pace() -> None:
    centre = Centre(3, 20)
    centre.run(3_000, 0.9)
    for number in range(10):
        agent = AgentConfigured(ACME, f"a{number}", 2, True)
        step(centre.state, agent, centre.state.at + 1)
    centre.agents = 10
    centre.run(1_000, 0.9)
    centre.waits.clear()
    centre.run(4_000, 0.9)
    p50, p90 = centre.covered()
    assert 0.45 <= p50 <= 0.55
    assert 0.85 <= p90 <= 0.95


def test_a_router_that_learns_nothing_from_its_errors_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Pace, "over", lambda *_: None)
    centre = Centre(1, 10, vips=0.4)
    centre.run(6_000, 0.9)
    p50, p90 = centre.covered()
    assert not (0.45 <= p50 <= 0.55 and 0.85 <= p90 <= 0.95)


def test_nothing_is_foretold_before_anything_is_known() -> None:
    desk = Desk()
    desk.works("ana")
    desk.submit("rings")
    desk.submit("waits")
    assert expected_wait(desk.state, ACME, "waits", desk.now) == ExpectedWait(1, None)
    assert expected_wait(desk.state, ACME, "rings", desk.now) == ExpectedWait(0, None)
    assert expected_wait(desk.state, ACME, "nobody's", desk.now) is None
    assert expected_wait(desk.state, "globex", "waits", desk.now) is None
    assert "globex" not in desk.state.tenants


def test_nothing_is_foretold_where_nobody_is() -> None:
    centre = Centre(1, 2)
    centre.run(200, 0.9)
    for number in range(2):
        gone = PresenceObserved(ACME, f"a{number}", 2)
        step(centre.state, gone, centre.state.at)
    step(centre.state, TaskSubmitted(ACME, "late", "sales", centre.state.at), centre.state.at)
    assert expected_wait(centre.state, ACME, "late", centre.state.at) == ExpectedWait(1, None)


def test_the_place_is_that_of_the_queues_own_order() -> None:
    desk = Desk()
    desk.submit("young")
    desk.submit("old", age=60_000)
    desk.submit("urgent", priority=90)
    desk.submit("elsewhere", "support")
    places = {
        task: expected_wait(desk.state, ACME, task, desk.now) for task in ("urgent", "old", "young")
    }
    assert [it.position for it in places.values() if it] == [1, 2, 3]
    assert expected_wait(desk.state, ACME, "elsewhere", desk.now) == ExpectedWait(1, None)
    desk.close("urgent")
    assert expected_wait(desk.state, ACME, "young", desk.now) == ExpectedWait(2, None)


def test_ranks_in_a_long_line_are_those_of_a_sorted_list() -> None:
    dice, desk = Random(5), Desk()
    for number in range(3_000):
        desk.state.tenant(ACME)
        task = TaskSubmitted(ACME, f"t{number}", "sales", dice.randrange(500), 1, (), 1)
        step(desk.state, task, NINE)
    tenant = desk.state.tenants[ACME]
    lines: Lines = tenant.lines
    for number in dice.sample(range(3_000), 1_500):
        lines.remove(tenant.tasks.pop(f"t{number}"))
    left = sorted(tenant.tasks.values(), key=lambda task: task.order)
    assert lines.waiting("sales") == [task.submitted.task_id for task in left]
    assert all(lines.rank(it.submitted.task_id) == rank for rank, it in enumerate(left, 1))
