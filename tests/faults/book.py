"""Where everything stands, as the journal says, and what the contract says of it.

Plain dictionaries and brute force over the protobuf of the records.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from tests.faults import groups

DEFAULT_PRIORITY = 50
DEFAULT_OFFER_TIMEOUT_MS = 20_000

WAITS, RINGS, HELD, NOWHERE = "waits", "rings", "held", "nowhere"

Key = tuple[str, str]
"""A tenant and the id of something of theirs."""


@dataclass
class Agent:
    config: wire.AgentConfigured = field(default_factory=wire.AgentConfigured)
    presence: wire.PresenceObserved = field(default_factory=wire.PresenceObserved)
    has: set[str] = field(default_factory=set)
    idle_from: int = 0
    """Counts up with each change of load: the lowest is idle longest."""

    def receives(self) -> bool:
        wants = self.presence.connected and self.presence.receive_new
        return wants and not self.config.removed


@dataclass
class Task:
    submitted: wire.TaskSubmitted
    priority: int
    place: str = WAITS
    revision: int = 1
    agent_id: str = ""
    """Who holds it."""
    offers: dict[str, int] = field(default_factory=dict)
    """At whom it rings, and until when."""
    excluded: set[str] = field(default_factory=set)
    waits_since: int = 0
    overflowed: list[str] = field(default_factory=list)
    bound_for: tuple[str, str] = ("", "")
    """Where it overflows to, until it is there: a kind of target, and its name."""
    finishes: int | None = None
    """Set in after-service: until when, 0 without a limit."""


@dataclass
class Book:
    """Queues, groups, agents and tasks of all tenants."""

    queues: dict[Key, wire.QueueConfigured] = field(default_factory=dict)
    groups: dict[Key, wire.GroupConfigured] = field(default_factory=dict)
    agents: dict[Key, Agent] = field(default_factory=dict)
    tasks: dict[Key, Task] = field(default_factory=dict)

    def queue(self, tenant_id: str, queue_id: str) -> wire.QueueConfigured:
        return self.queues.get((tenant_id, queue_id)) or wire.QueueConfigured(
            queue_id=queue_id,
            agent_selection=directory.AGENT_SELECTION_LONGEST_IDLE,
            offer_timeout_ms=DEFAULT_OFFER_TIMEOUT_MS,
            priority=DEFAULT_PRIORITY,
        )

    def agent(self, tenant_id: str, agent_id: str) -> Agent:
        return self.agents.setdefault((tenant_id, agent_id), Agent())

    def group(self, tenant_id: str, task: Task) -> wire.GroupConfigured | None:
        return self.groups.get((tenant_id, task.submitted.group_id))

    def reaches(self, tenant_id: str, agent_id: str, task: Task) -> bool:
        """Tell whether the agent answers the task's queue or belongs to its group."""
        if task.submitted.group_id:
            return agent_id in groups.members(self.group(tenant_id, task))
        agent = self.agents.get((tenant_id, agent_id))
        return agent is not None and task.submitted.queue_id in agent.config.queue_ids

    def used(self, tenant_id: str, agent: Agent) -> int:
        return sum(self.tasks[tenant_id, task_id].submitted.cost for task_id in agent.has)

    def suits(self, tenant_id: str, agent_id: str, task: Task) -> bool:
        """Tell whether the agent could be offered the task now."""
        agent = self.agents[tenant_id, agent_id]
        levels = {skill.skill_id: skill.level for skill in agent.config.skills}
        group_id, needs = task.submitted.group_id, task.submitted.skills
        return (
            agent.receives()
            and self.reaches(tenant_id, agent_id, task)
            and agent_id not in task.offers
            and (group_id != "" or all(levels.get(it.skill_id, 0) >= it.level for it in needs))
            and agent_id not in task.excluded
            and self.used(tenant_id, agent) + task.submitted.cost <= agent.config.capacity
        )

    def waiting(self, tenant_id: str) -> Iterator[Task]:
        """Walk what is to ring as soon as it can, at one more or at all."""
        for (owner, _), task in self.tasks.items():
            group = self.group(tenant_id, task)
            rings_on = task.place == RINGS and group is not None and groups.at_once(group)
            if owner == tenant_id and (task.place == WAITS or rings_on):
                yield task

    def preference(self, tenant_id: str, agent_id: str, task: Task) -> tuple[int, int]:
        """Order agents as the task's queue or group does: the least is the one to take."""
        group = self.group(tenant_id, task)
        if group is not None:
            return groups.turn(group, task.submitted.task_id, agent_id), 0
        agent = self.agents[tenant_id, agent_id]
        queue = self.queue(tenant_id, task.submitted.queue_id)
        if queue.agent_selection == directory.AGENT_SELECTION_LEAST_BUSY:
            used = self.used(tenant_id, agent)
            return used * 1_000_000 // agent.config.capacity, agent.idle_from
        return 0, agent.idle_from
