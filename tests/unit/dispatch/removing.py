"""Queues and groups that are removed while there is work in them, in the middle of everything."""

# ruff: noqa: FBT001, PLR0913, PLR0917 - a rule draws all that it needs

from hypothesis import strategies as st
from hypothesis.stateful import rule

from services.dispatch.domain.inputs import (
    AgentConfigured,
    GroupConfigured,
    PresenceObserved,
    QueueConfigured,
    TaskSubmitted,
)
from services.dispatch.domain.vacate import Vacate
from tests.unit.dispatch.machine import Routing
from tests.unit.dispatch.telling import queues, requests, tenants


class Removing(Routing):
    """Adds the rules."""

    @rule(
        tenant=tenants,
        queue=queues,
        group=st.sampled_from(["", "", "desk", "night"]),
        to=queues,
        version=st.integers(0, 2),
        request=requests,
    )
    def somebody_removes(
        self, tenant: str, queue: str, group: str, to: str, version: int, request: str
    ) -> None:
        queue = "" if group else queue
        self.give(Vacate(tenant, queue, group, version, to, "boss", request))

    @rule(
        tenant=tenants,
        group=st.sampled_from(["", "desk", "night"]),
        put_again=st.sampled_from(["before", "after", "never"]),
        receives=st.booleans(),
    )
    def what_is_at_work_is_removed(
        self, tenant: str, group: str, put_again: str, receives: bool
    ) -> None:
        """Have work in `support`, or at a group, go to `sales`."""
        version = self.version(0)
        queue = "" if group else "support"
        both = ("sales", "support")
        self.give(QueueConfigured(tenant, "sales", version))
        self.give(AgentConfigured(tenant, "eve", version, queue_ids=both, capacity=2))
        self.give(PresenceObserved(tenant, "eve", version, connected=True, receive_new=receives))
        self.give(TaskSubmitted(tenant, f"v{version}", "support", self.desk.now, group_id=group))
        if put_again == "before":
            self._put(tenant, queue, group, version + 1, removed=False)
        self.give(Vacate(tenant, queue, group, version, "sales", "boss", self.request(0)))
        if put_again == "after":
            self._put(tenant, queue, group, version + 1, removed=False)
        self.give(TaskSubmitted(tenant, f"w{version}", "support", self.desk.now, group_id=group))
        self._put(tenant, queue, group, version + 2, removed=True)

    def _put(self, tenant: str, queue: str, group: str, version: int, *, removed: bool) -> None:
        if group:
            self.give(GroupConfigured(tenant, group, version, removed, ("ana", "bo", "eve")))
        else:
            self.give(QueueConfigured(tenant, queue, version, removed))
