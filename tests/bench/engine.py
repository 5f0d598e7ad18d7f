"""The engine alone: no bus, no clock."""

import gc
import os
import random
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from heapq import heapify, heapreplace
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

from services.dispatch.domain.decisions import Decision, Offered, Reason
from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    CompleteTask,
    Input,
    PresenceObserved,
    QueueConfigured,
    Role,
    Skills,
    TaskClosed,
    TaskSubmitted,
    TenantConfigured,
)
from services.dispatch.domain.parties import Agent, Task
from services.dispatch.domain.policy import Policy
from services.dispatch.domain.state import ANSWERS_KEPT_MS, ENDED_KEPT_MS, State
from services.dispatch.domain.tenant import Kept, Tenant
from services.kernel.garbage import collect_seldom

from .figures import Figure, middle

RUNS = 3
SIGNATURES, PROFILES, WAITING, QUEUES, SKILLS = 500, 300, 10_000, 20, 40
ROUNDS = 4_000
PAST, MS_APART = 200_000, 2


@dataclass
class Centre:
    """A busy centre: every agent holds a task and ten thousand wait."""

    state: State
    tenant: Tenant
    random: random.Random
    needs: list[tuple[str, Skills]]
    at: int = 1
    made: int = 0

    def do(self, it: Input) -> list[Decision]:
        self.at += 1
        return step(self.state, it, self.at)

    def arrival(self) -> TaskSubmitted:
        self.made += 1
        queue_id, skills = self.random.choice(self.needs)
        return TaskSubmitted("t", f"task-{self.made}", queue_id, self.at, 1, skills)


def measure() -> list[Figure]:
    collect_seldom()  # as every process of ours does
    [small] = middle([(_mean_decision_us(_centre(100)),) for _ in range(RUNS)])
    runs = [(*_decisions(10_000), *_matches_us(10_000), _floor_us()) for _ in range(RUNS)]
    busy, quiet, *matches, floor = middle(runs)
    kind, match = max(zip(MATCHES, matches, strict=True), key=lambda one: one[1])
    many = f"10,000 agents, {PROFILES} profiles, {SIGNATURES} signatures"
    conditions = f"{many}, {WAITING:,} waiting or half the agents free"
    return [
        Figure(
            "engine.match_us",
            match,
            "us",
            floor,
            f"{many}; the dearest kind: {kind}; floor: a heap of as many",
        ),
        Figure(
            "engine.decide_us", (busy + quiet) / 2, "us", floor, f"{conditions}; mean over both"
        ),
        Figure(
            "engine.growth",
            busy / small,
            "x",
            None,
            "a decision where all are busy, at 10,000 agents over 100",
        ),
        Figure("engine.longest_ms", *_longest_ms()),
        Figure("engine.memory_mb", _memory_mb(), "MB", None, "100,000 waiting, 10,000 agents"),
        *_size_effects(),
        Figure(
            "engine.past_effect",
            middle([(_past_effect(),) for _ in range(RUNS)])[0],
            "x",
            None,
            f"a decision with {PAST:,} tasks and answers to forget, one at a time, over none",
        ),
    ]


def _longest_ms() -> tuple[float, str, None, str]:
    """Return the dearest of the steps that concern many: nobody else is decided for meanwhile."""
    steps = {
        "200 differing agents, 2,000 wait for the one who leaves": _last_able_leaves_ms,
        "300 agents have room for 1,200 of 1,500 at once": _room_for_many_ms,
    }
    costs = {name: middle([(cost(),) for _ in range(RUNS)])[0] for name, cost in steps.items()}
    name = max(costs, key=lambda it: costs[it])
    return costs[name], "ms", None, name


def _last_able_leaves_ms() -> float:
    state = State()
    policy = Policy(overflow_when_nobody=True)
    step(state, QueueConfigured("t", "queue", 1, policy=policy), 1)
    for number in range(200):
        agent_id, skills = f"agent-{number}", ((f"s{number}", 3),)
        step(state, AgentConfigured("t", agent_id, 1, False, ("queue",), skills, 1), 1)
        step(state, PresenceObserved("t", agent_id, 1, True, True), 1)
    return _waiting_ms(state, 2_000, (("s199", 3),), PresenceObserved("t", "agent-199", 2), 4_001)


def _room_for_many_ms() -> float:
    state = State()
    step(state, QueueConfigured("t", "queue", 1), 1)
    step(state, TenantConfigured("t", 1, 1), 1)
    for number in range(300):
        agent_id = f"agent-{number}"
        step(state, AgentConfigured("t", agent_id, 1, False, ("queue",), (), None), 1)
        step(state, PresenceObserved("t", agent_id, 1, True, True), 1)
    return _waiting_ms(state, 1_800, (), TenantConfigured("t", 2, 5), 1_201)


def _waiting_ms(state: State, tasks: int, skills: Skills, it: Input, decided: int) -> float:
    """Return what an input costs when so many tasks have come."""
    for number in range(tasks):
        step(state, TaskSubmitted("t", f"task-{number}", "queue", number, 1, skills), 1 + number)
    began = time.perf_counter()
    decisions = step(state, it, tasks + 2)
    spent = time.perf_counter() - began
    if len(decisions) < decided:
        raise RuntimeError(f"{it} concerned {len(decisions)} only")
    return spent * 1e3


def _size_effects() -> list[Figure]:
    """Return what an offer costs more where many answer the queue: alike, and each kind apart."""
    few, many, motley = middle(
        [(_offer_us(5, 5), _offer_us(2_000, 5), _offer_us(2_000, 50)) for _ in range(RUNS)]
    )
    arrives = "offer in a queue with 2,000 agents of"
    return [
        Figure("engine.queue_size_effect", many / few, "x", None, f"{arrives} 5 profiles over 5"),
        Figure("engine.profiles_effect", motley / few, "x", None, f"{arrives} 50 profiles over 5"),
    ]


def _past_effect() -> float:
    """Return what a decision costs more after days of which each moment is forgotten in turn."""
    before = _mean_decision_us(_centre(100))
    centre = _centre(100)
    ended, answers = centre.tenant.ended, centre.tenant.answers
    ended.clear()
    answers.clear()
    for number in range(-PAST, PAST):
        past = centre.at + number * MS_APART
        ended[f"ended-{number}"] = past - ENDED_KEPT_MS
        answers[f"answer-{number}"] = Kept(Reason.DONE, 0, past - ANSWERS_KEPT_MS, b"")
    for number in range(-PAST, 0):  # as it is by the next day
        del ended[f"ended-{number}"], answers[f"answer-{number}"]
    gc.collect()
    return _mean_decision_us(centre) / before


def _centre(agents: int, waiting: int = WAITING) -> Centre:
    rng = random.Random(1)
    queues = [f"queue-{number}" for number in range(QUEUES)]
    profiles = [
        (
            tuple(sorted(rng.sample(queues, 3))),
            tuple(
                sorted((f"s{skill}", rng.randint(1, 5)) for skill in rng.sample(range(SKILLS), 5))
            ),
        )
        for _ in range(PROFILES)
    ]
    needs: dict[tuple[str, Skills], None] = {}
    while len(needs) < SIGNATURES:
        serves, has = rng.choice(profiles)
        skills = tuple(
            sorted((skill, rng.randint(1, level)) for skill, level in rng.sample(has, 2))
        )
        needs[rng.choice(serves), skills] = None
    state = State()
    centre = Centre(state, state.tenant("t"), rng, list(needs))
    for queue in queues:
        centre.do(QueueConfigured("t", queue, 1))
    for number in range(agents):
        serves, has = profiles[number % PROFILES]
        centre.do(AgentConfigured("t", f"agent-{number}", 1, False, serves, has, 1))
        centre.do(PresenceObserved("t", f"agent-{number}", 1, True, True))
    left = waiting
    while left > 0:
        offers = [one for one in centre.do(centre.arrival()) if isinstance(one, Offered)]
        left -= not offers
        for offer in offers:
            centre.do(AcceptOffer("t", offer.task_id, offer.agent_id, offer.task_id))
    gc.collect()  # a look at all that was built is the price of building it, not of a decision
    return centre


def _decisions(agents: int) -> tuple[float, float]:
    """Return the mean cost of deciding and folding where all are busy, and where half are free.

    Complete, accept and submit alike: a freed agent finds work, or nothing; an arrival waits, or is
    offered.
    """
    return _mean_decision_us(_centre(agents)), _mean_decision_us(_half_free(agents))


def _mean_decision_us(centre: Centre) -> float:
    held = [task for task in centre.tenant.tasks.values() if task.held]
    spent, inputs = 0.0, 0
    for _ in range(ROUNDS):
        task = held.pop(centre.random.randrange(len(held)))
        todo: list[Input] = [
            centre.arrival(),
            CompleteTask("t", task.submitted.task_id, task.agent_id, Role.AGENT, f"c{inputs}"),
        ]
        while todo:
            it = todo.pop()
            began = time.perf_counter()
            decisions = centre.do(it)
            spent += time.perf_counter() - began
            inputs += 1
            for one in decisions:
                if isinstance(one, Offered):
                    todo.append(AcceptOffer("t", one.task_id, one.agent_id, f"a{inputs}"))
                    held.append(centre.tenant.tasks[one.task_id])
    return spent / inputs * 1e6


def _half_free(agents: int) -> Centre:
    """Return a centre in which nothing waits and every second agent holds a task."""
    centre = _centre(agents, waiting=0)
    busy = 0
    while busy < agents // 2:
        arrival = centre.arrival()
        offers = [one for one in centre.do(arrival) if isinstance(one, Offered)]
        for offer in offers:
            centre.do(AcceptOffer("t", offer.task_id, offer.agent_id, offer.task_id))
        if not offers:  # all who can take it are busy
            centre.do(TaskClosed("t", arrival.task_id))
        busy += len(offers)
    gc.collect()
    return centre


MATCHES = (
    "a freed agent, much waits",
    "a freed agent, nothing waits",
    "an arrival, nobody is free",
    "an arrival, half are free",
)


def _matches_us(agents: int) -> list[float]:
    """Return the median cost of each kind of match, in the order of MATCHES."""
    busy, quiet = _centre(agents), _half_free(agents)
    return [_freed_us(busy), _freed_us(quiet), _arrived_us(busy), _arrived_us(quiet)]


def _freed_us(centre: Centre) -> float:
    index = centre.tenant.index
    holding = [agent for agent in centre.tenant.agents.values() if agent.loads]
    costs = []
    for _ in range(ROUNDS):
        agent = centre.random.choice(holding)
        loads, agent.loads = agent.loads, {}
        index.place_agent(agent)
        began = time.perf_counter()
        index.best_task(agent, centre.at)
        costs.append(time.perf_counter() - began)
        agent.loads = loads
        index.place_agent(agent)
    return statistics.median(costs) * 1e6


def _arrived_us(centre: Centre) -> float:
    """Return the cost of looking for an agent, asked of the index while the engine decides."""
    index, costs = centre.tenant.index, list[float]()
    look = index.best_agent

    def timed(task: Task, agents: Mapping[str, Agent]) -> Agent | None:
        began = time.perf_counter()
        found = look(task, agents)
        costs.append(time.perf_counter() - began)
        return found

    with mock.patch.object(index, "best_agent", timed):
        for _ in range(ROUNDS):
            arrival = centre.arrival()
            centre.do(arrival)
            centre.do(TaskClosed("t", arrival.task_id))
    if len(costs) < ROUNDS:
        raise RuntimeError("the engine does not ask the index for an agent any more")
    return statistics.median(costs) * 1e6


def _memory_mb() -> float:
    """Return what a busy centre takes, in a process of its own: this one has seen others."""
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
        return fresh.submit(_fill_memory).result()


def _fill_memory() -> float:
    before = _resident_mb()
    centre = _centre(10_000, waiting=100_000)
    assert len(centre.tenant.tasks) >= 100_000
    return _resident_mb() - before


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _offer_us(agents: int, profiles: int) -> float:
    """Return the p50 of a task's arrival at a queue in which everybody has room.

    Profiles differ by what the queue does not ask for: another queue that they answer besides.
    """
    state = State()
    step(state, QueueConfigured("t", "queue", 1), 1)
    for number in range(agents):
        agent_id, queues = f"agent-{number}", ("queue", f"queue-{number % profiles}")
        step(state, AgentConfigured("t", agent_id, 1, False, queues, (), 50), 1)
        step(state, PresenceObserved("t", agent_id, 1, True, True), 1)
    costs = []
    for number in range(ROUNDS):
        at, task_id = number + 2, f"task-{number}"
        began = time.perf_counter()
        decisions = step(state, TaskSubmitted("t", task_id, "queue", at), at)
        costs.append(time.perf_counter() - began)
        (offer,) = (one for one in decisions if isinstance(one, Offered))
        step(state, AcceptOffer("t", task_id, offer.agent_id, f"a{number}"), at)
        step(state, CompleteTask("t", task_id, offer.agent_id, Role.AGENT, f"c{number}"), at)
    return statistics.median(costs) * 1e6


def _floor_us() -> float:
    """Return what replacing the head of one heap with 10,000 entries costs."""
    heap: list[tuple[int, int]] = [(number, number) for number in range(WAITING)]
    heapify(heap)
    costs = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        heapreplace(heap, (WAITING + number, number))
        costs.append(time.perf_counter() - began)
    return statistics.median(costs) * 1e6
