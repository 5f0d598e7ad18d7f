"""Everything that can be told to a router, in any order, from people who do not behave."""

# ruff: noqa: FBT001, PLR0913, PLR0917 - a rule draws all that it needs

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.dispatch.domain.inputs import (
    AcceptOffer,
    AgentConfigured,
    AgentSelection,
    AssignTask,
    CompleteTask,
    DeclineOffer,
    ExtendAfterService,
    FinishAfterService,
    GroupConfigured,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    RingStrategy,
    Role,
    TaskClosed,
    TaskSubmitted,
    TenantConfigured,
)
from services.dispatch.domain.policy import Policy
from tests.faults.book import HELD, RINGS
from tests.unit.dispatch import fits
from tests.unit.dispatch.ordering import Ordering
from tests.unit.dispatch.policies import policies
from tests.unit.dispatch.telling import (
    HOUR,
    MINUTE,
    agents,
    ask_again,
    groups,
    number,
    pauses,
    priorities,
    queues,
    requests,
    skills,
    tasks,
    tenants,
)

_COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "report_multiple_bugs": False,
    "suppress_health_check": list(HealthCheck),  # a machine is large and slow to them
}
_PROFILES = {
    # What it finds is not made small, so that a failing build takes no longer than a passing one.
    "fixed": settings(
        max_examples=160,
        stateful_step_count=60,
        derandomize=True,
        phases=[Phase.generate],
        **_COMMON,
    ),
    "long": settings(max_examples=5000, stateful_step_count=120, **_COMMON),
}
PROFILE = _PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "fixed")]


class Routing(Ordering):
    # Facts

    @rule(
        tenant=tenants,
        queue=queues,
        age=number,
        removed=st.booleans(),
        selection=st.sampled_from(AgentSelection),
        timeout=st.sampled_from([1, 1_000, 20_000, 20_000, 2**62, -5, 0]),
        priority=priorities,
        policy=policies,
        pause=ask_again,
        fit=fits.of_queue,
    )
    def a_queue_is_configured(
        self,
        tenant: str,
        queue: str,
        age: int,
        removed: bool,
        selection: AgentSelection,
        timeout: int,
        priority: int,
        policy: Policy,
        pause: int,
        fit: dict[str, Any],
    ) -> None:
        self.give(
            QueueConfigured(
                tenant,
                queue,
                self.version(age),
                removed,
                selection,
                timeout,
                priority,
                policy,
                ask_again_after_ms=pause,
                **fit,
            )
        )

    @precondition(lambda self: bool(self.desk.ledger.queues))
    @rule(
        index=number,
        closes=st.sampled_from([-MINUTE, 1, 20_000, MINUTE]),
        opens=st.sampled_from([0, 1_000, MINUTE]),
        known=st.sampled_from([0, 20_000, HOUR]),
        stale=st.sampled_from([0, 0, 0, 1]),
    )
    def openings_are_foreseen(
        self, index: int, closes: int, opens: int, known: int, stale: int
    ) -> None:
        found = sorted(self.desk.ledger.queues.items())
        (tenant, queue), configured = found[index % len(found)]
        now = self.desk.now
        spans = ((now - HOUR, now + closes), (now + MINUTE + opens, now + HOUR))
        version = configured.version - min(stale, configured.version)
        self.give(OpeningsForeseen(tenant, queue, version, spans, now + known))

    @rule(
        tenant=tenants,
        group=groups,
        age=number,
        removed=st.sampled_from([False, False, False, True]),
        members=st.lists(agents, max_size=4),
        strategy=st.sampled_from(RingStrategy),
        timeout=st.sampled_from([1, 1_000, 20_000, 30_000, 2**62, -5, 0]),
        pause=ask_again,
    )
    def a_group_is_configured(
        self,
        tenant: str,
        group: str,
        age: int,
        removed: bool,
        members: list[str],
        strategy: RingStrategy,
        timeout: int,
        pause: int,
    ) -> None:
        version = self.version(age)
        of = tuple(members)
        self.give(GroupConfigured(tenant, group, version, removed, of, strategy, timeout, pause))

    @rule(
        tenant=tenants,
        agent=agents,
        age=number,
        removed=st.sampled_from([False, False, False, True]),
        of=st.lists(queues, max_size=3, unique=True),
        has=skills,
        capacity=st.sampled_from([0, 1, 1, 2, 3, 5, 2**32 - 1, None, None]),
        can=fits.channels,
    )
    def an_agent_is_configured(
        self,
        tenant: str,
        agent: str,
        age: int,
        removed: bool,
        of: list[str],
        has: Any,
        capacity: int | None,
        can: Any,
    ) -> None:
        version, of = self.version(age), sorted(of)
        it = AgentConfigured(tenant, agent, version, removed, tuple(of), has, capacity, can)
        self.give(it)

    @rule(tenant=tenants, age=number, capacity=st.sampled_from([1, 2, 5]))
    def a_tenant_says_what_is_usual(self, tenant: str, age: int, capacity: int) -> None:
        self.give(TenantConfigured(tenant, self.version(age), capacity))

    @rule(tenant=tenants, agent=agents, capacity=st.sampled_from([1, 2, 3]), has=skills)
    def an_agent_comes_to_work(self, tenant: str, agent: str, capacity: int, has: Any) -> None:
        version = self.version(0)
        it = AgentConfigured(tenant, agent, version, False, ("sales", "support"), has, capacity)
        self.give(it)
        self.give(PresenceObserved(tenant, agent, version, True, True))

    @rule(
        tenant=tenants,
        agent=agents,
        age=number,
        there=st.booleans(),
        willing=st.booleans(),
        wants=fits.channels,
    )
    def an_agent_is_seen(
        self, tenant: str, agent: str, age: int, there: bool, willing: bool, wants: Any
    ) -> None:
        self.give(PresenceObserved(tenant, agent, self.version(age), there, willing, wants))

    @rule(
        tenant=tenants,
        task=tasks,
        queue=st.sampled_from(["sales", "sales", "support", "nobodys"]),
        age=st.sampled_from([0, 0, 1, 5_000, -3_000]),
        cost=st.sampled_from([0, 1, 1, 1, 2, 3, 2**32 - 1]),
        needs=skills,
        priority=priorities,
        group=st.sampled_from(["", "", "desk", "night"]),
        fit=fits.of_task,
    )
    def a_task_is_submitted(
        self,
        tenant: str,
        task: str,
        queue: str,
        age: int,
        cost: int,
        needs: Any,
        priority: int,
        group: str,
        fit: dict[str, Any],
    ) -> None:
        since = self.desk.now - age
        it = TaskSubmitted(tenant, task, queue, since, cost, needs, priority, group_id=group, **fit)
        self.give(it)

    @rule(tenant=tenants, task=tasks, strategy=st.sampled_from(RingStrategy))
    def a_group_is_called(self, tenant: str, task: str, strategy: RingStrategy) -> None:
        version = self.version(0)
        everybody = ("ana", "bo", "cyd")
        for agent in everybody:
            self.give(AgentConfigured(tenant, agent, version, False, ("sales",), (), 2))
            self.give(PresenceObserved(tenant, agent, version, True, True))
        self.give(GroupConfigured(tenant, "desk", version, False, everybody, strategy))
        self.give(TaskSubmitted(tenant, task, "", self.desk.now, group_id="desk"))

    @rule(tenant=tenants, count=st.integers(2, 6), start=st.integers(0, 10**6))
    def many_tasks_come_at_once(self, tenant: str, count: int, start: int) -> None:
        for one in range(count):
            task_id = f"m{start}-{one}"
            self.give(TaskSubmitted(tenant, task_id, "sales", self.desk.now - one * 7 % 5))

    @rule(tenant=tenants, task=tasks, by=st.sampled_from(["", "boss"]))
    def a_task_is_closed(self, tenant: str, task: str, by: str) -> None:
        self.give(TaskClosed(tenant, task, by))

    # Commands, from those who may and those who may not

    @precondition(lambda self: self.any_in(RINGS))
    @rule(index=number, request=number, yes=st.booleans())
    def whom_it_rings_at_answers(self, index: int, request: int, yes: bool) -> None:
        tenant, task, agent = self.some(RINGS, index)
        kind = AcceptOffer if yes else DeclineOffer
        self.give(kind(tenant, task, agent, self.request(request), f"inbox.{index}"))

    @rule(tenant=tenants, strategy=st.sampled_from(RingStrategy), one=number)
    def work_is_taken_and_ended(self, tenant: str, strategy: RingStrategy, one: int) -> None:
        task = f"w{len(self.given)}"
        self.a_group_is_called(tenant, task, strategy)
        for agent in ("ana", "bo", "cyd"):
            self.give(AcceptOffer(tenant, task, agent, self.request(0), "inbox.w"))
        for agent in ("ana", "bo", "cyd"):
            self.give(CompleteTask(tenant, task, agent, Role.AGENT, self.request(one), "inbox.w"))

    @precondition(lambda self: self.any_in(HELD))
    @rule(index=number, request=number)
    def who_holds_it_completes(self, index: int, request: int) -> None:
        tenant, task, agent = self.some(HELD, index)
        self.give(CompleteTask(tenant, task, agent, Role.AGENT, self.request(request), "inbox.c"))

    @precondition(lambda self: self.any_in(HELD))
    @rule(index=number, request=number, more=st.booleans())
    def who_holds_it_ends_or_extends_the_after_service(
        self, index: int, request: int, more: bool
    ) -> None:
        tenant, task, agent = self.some(HELD, index)
        who = self.request(request)
        if more:
            self.give(ExtendAfterService(tenant, task, agent, who, "inbox.e"))
        else:
            self.give(FinishAfterService(tenant, task, agent, Role.AGENT, who, "inbox.f"))

    @rule(tenant=tenants, task=tasks, actor=agents, role=st.sampled_from(Role), request=requests)
    def somebody_ends_an_after_service(
        self, tenant: str, task: str, actor: str, role: Role, request: str
    ) -> None:
        self.give(FinishAfterService(tenant, task, actor, role, request, "inbox.f"))

    @precondition(lambda self: self.any_in(HELD))
    @rule(index=number, there=st.booleans())
    def who_holds_it_is_lost(self, index: int, there: bool) -> None:
        tenant, _, agent = self.some(HELD, index)
        self.give(PresenceObserved(tenant, agent, self.version(0), there, there))

    @precondition(lambda self: self.any_in(HELD))
    @rule(index=number)
    def who_holds_it_is_removed(self, index: int) -> None:
        tenant, _, agent = self.some(HELD, index)
        self.give(AgentConfigured(tenant, agent, self.version(0), removed=True))

    @rule(
        kind=st.sampled_from([AcceptOffer, DeclineOffer]),
        tenant=tenants,
        task=tasks,
        agent=agents,
        request=requests,
    )
    def somebody_answers_an_offer(
        self, kind: Any, tenant: str, task: str, agent: str, request: str
    ) -> None:
        self.give(kind(tenant, task, agent, request, "inbox.x"))

    @rule(
        tenant=tenants,
        task=tasks,
        actor=agents,
        role=st.sampled_from(Role),
        to=agents,
        request=requests,
    )
    def somebody_assigns(
        self, tenant: str, task: str, actor: str, role: Role, to: str, request: str
    ) -> None:
        self.give(AssignTask(tenant, task, actor, role, to, request, "inbox.a"))

    @rule(tenant=tenants, task=tasks, actor=agents, role=st.sampled_from(Role), request=requests)
    def somebody_completes(
        self, tenant: str, task: str, actor: str, role: Role, request: str
    ) -> None:
        self.give(CompleteTask(tenant, task, actor, role, request, ""))

    @precondition(lambda self: bool(self.refusers()))
    @rule(index=number)
    def who_refused_takes_a_break_and_returns(self, index: int) -> None:
        refusers = self.refusers()
        tenant, agent = refusers[index % len(refusers)]
        self.give(PresenceObserved(tenant, agent, self.version(0), True, False))
        self.give(PresenceObserved(tenant, agent, self.version(0), True, True))

    @precondition(lambda self: bool(self.refusers()))
    @rule(index=number, there=st.sampled_from([True, True, True, False]))
    def who_refused_chooses_ready_again(self, index: int, there: bool) -> None:
        refusers = self.refusers()
        tenant, agent = refusers[index % len(refusers)]
        version, now = self.version(0), self.desk.now
        self.give(PresenceObserved(tenant, agent, version, True, there, ready_at=now))

    def refusers(self) -> list[tuple[str, str]]:
        return sorted(
            {(of, who) for (of, _), task in self.desk.ledger.tasks.items() for who in task.excluded}
        )

    # The world

    @precondition(lambda self: bool(self.given))
    @rule(back=st.integers(1, 12))
    def an_input_comes_again(self, back: int) -> None:
        self.desk.take(self.given[-min(back, len(self.given))])

    @rule(data=st.binary(max_size=40))
    def bytes_that_are_no_input_come(self, data: bytes) -> None:
        self.desk.take(data)

    @precondition(lambda self: bool(self.given))
    @rule(where=st.integers(0, 200), value=st.integers(0, 255))
    def a_damaged_input_comes(self, where: int, value: int) -> None:
        data = bytearray(self.given[-1])
        if data:
            data[where % len(data)] = value
        self.desk.take(bytes(data))

    @rule(millis=pauses)
    def time_passes(self, millis: int) -> None:
        self.desk.wait(millis)

    @precondition(lambda self: bool(self.given))
    @rule(back=st.sampled_from([1, 700, 5 * MINUTE]))
    def the_clock_of_the_log_lags(self, back: int) -> None:
        self.desk.take(self.given[-1], self.desk.now - back)

    @rule()
    def a_snapshot_is_written_and_read(self) -> None:
        self.desk.save_and_load()

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert not self.desk.problems, "\n".join(self.desk.problems)
