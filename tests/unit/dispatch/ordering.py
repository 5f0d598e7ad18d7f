"""Orders of services and supervisors, and of those who would like to be."""

# ruff: noqa: FBT001, PLR0913, PLR0917 - a rule draws all that it needs

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from services.dispatch.domain.inputs import (
    AgentConfigured,
    CancelTask,
    DeclineOffer,
    MoveTasks,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    ReportUnreachable,
    Role,
    SetQueueMode,
    SubmitTask,
    TakeBackTask,
    TaskSubmitted,
)
from tests.faults.book import HELD, RINGS
from tests.unit.dispatch.telling import Telling, agents, number, queues, requests, tasks, tenants


class Ordering(Telling):
    """Adds the rules."""

    @precondition(lambda self: self.any_in(RINGS))
    @rule(index=number)
    def the_device_cannot_ring(self, index: int) -> None:
        tenant, task, agent = self.some(RINGS, index)
        self.give(ReportUnreachable(tenant, task, agent, self.request(0), "inbox.u"))

    @precondition(lambda self: self.any_in(RINGS))
    @rule(number=st.integers(1, 4), millis=st.sampled_from([5_000, 20_000]))
    def everybody_refuses_and_goes_on(self, number: int, millis: int) -> None:
        for _ in range(number):
            if self.any_in(RINGS):
                tenant, task, agent = self.some(RINGS, 0)
                self.give(DeclineOffer(tenant, task, agent, self.request(0), "inbox.d"))
        self.desk.wait(millis)

    @precondition(lambda self: self.any_in(RINGS))
    @rule(index=number, actor=st.sampled_from(["service:voice", "boss"]))
    def the_customer_gives_up_or_is_given_up(self, index: int, actor: str) -> None:
        tenant, task, _ = self.some(RINGS, index)
        self.give(CancelTask(tenant, task, actor, Role.OWNER, self.request(0)))

    @rule(
        kind=st.sampled_from([CancelTask, TakeBackTask]),
        tenant=tenants,
        task=tasks,
        actor=agents,
        role=st.sampled_from(Role),
        request=requests,
    )
    def somebody_ends_or_takes_back(
        self, kind: Any, tenant: str, task: str, actor: str, role: Role, request: str
    ) -> None:
        self.give(kind(tenant, task, actor, role, request_id=request))

    @precondition(lambda self: self.any_in(HELD))
    @rule(index=number, role=st.sampled_from(Role), excluded=st.booleans())
    def what_is_held_is_taken_back(self, index: int, role: Role, excluded: bool) -> None:
        tenant, task, agent = self.some(HELD, index)
        self.give(TakeBackTask(tenant, task, agent, role, excluded, self.request(0)))

    @rule(
        tenant=tenants,
        queue=queues,
        mode=st.sampled_from(QueueMode),
        actor=agents,
        role=st.sampled_from([*Role, Role.MANAGER]),
        request=requests,
    )
    def somebody_sets_a_mode(
        self, tenant: str, queue: str, mode: QueueMode, actor: str, role: Role, request: str
    ) -> None:
        self.give(SetQueueMode(tenant, queue, mode, actor, role, request))

    @rule(
        tenant=tenants,
        queue=st.sampled_from(["sales", "support"]),
        mode=st.sampled_from(QueueMode),
        moves=st.booleans(),
        capacity=st.sampled_from([0, 1, 2]),
    )
    def a_manager_rules_a_queue_at_work(
        self, tenant: str, queue: str, mode: QueueMode, moves: bool, capacity: int
    ) -> None:
        version = self.version(0)
        both = ("sales", "support")
        for one in both:
            known = self.desk.ledger.queues.get((tenant, one))
            if known is None or known.removed:
                self.give(QueueConfigured(tenant, one, version))
        self.give(SetQueueMode(tenant, queue, mode, "boss", Role.MANAGER, self.request(0)))
        self.give(AgentConfigured(tenant, "eve", version, queue_ids=both, capacity=capacity))
        self.give(PresenceObserved(tenant, "eve", version, connected=True, receive_new=True))
        self.give(TaskSubmitted(tenant, f"o{version}", queue, self.desk.now))
        if moves:
            (other,) = {*both} - {queue}
            order = MoveTasks(tenant, queue, other, "boss", Role.MANAGER, (), self.request(0))
            self.give(order)

    @rule(
        tenant=tenants,
        queue=queues | st.just(""),
        to=queues,
        actor=agents,
        role=st.sampled_from([*Role, Role.MANAGER]),
        only=st.lists(tasks, max_size=3),
        request=requests,
    )
    def somebody_moves_tasks(
        self,
        tenant: str,
        queue: str,
        to: str,
        actor: str,
        role: Role,
        only: list[str],
        request: str,
    ) -> None:
        self.give(MoveTasks(tenant, queue, to, actor, role, tuple(only), request))

    @rule(
        tenant=tenants,
        task=tasks,
        queue=st.sampled_from(["sales", "support", "nobodys", ""]),
        group=st.sampled_from(["desk", "night"]),
        actor=agents,
        role=st.sampled_from([*Role, Role.MANAGER]),
        request=requests,
    )
    def somebody_submits(
        self,
        tenant: str,
        task: str,
        queue: str,
        group: str,
        actor: str,
        role: Role,
        request: str,
    ) -> None:
        it = TaskSubmitted(tenant, task, queue, 0, group_id="" if queue else group)
        self.give(SubmitTask(tenant, it, actor, role, request))
