"""Where everything stands, as the journal says, and what the contract says of it.

Plain dictionaries and brute force over the protobuf of the records.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from centralita.directory.v1 import resources_pb2 as directory
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from centralita.dispatch.v1 import events_pb2 as public

from tests.faults import groups, rules
from tests.faults.rules import Takes

DEFAULT_PRIORITY = 50
DEFAULT_CAPACITY = 3
DEFAULT_OFFER_TIMEOUT_MS = 20_000
DEFAULT_WINDOW_MS = 24 * 3_600_000

WAITS, RINGS, HELD, NOWHERE = "waits", "rings", "held", "nowhere"

Key = tuple[str, str]
"""A tenant and the id of something of theirs."""


@dataclass
class Agent:
    config: wire.AgentConfigured = field(
        # Who was seen and is not configured yet takes nothing.
        default_factory=lambda: wire.AgentConfigured(takes_nothing=True)
    )
    presence: wire.PresenceObserved = field(default_factory=wire.PresenceObserved)
    has: set[str] = field(default_factory=set)
    idle_from: int = 0
    """Counts up with each change of load: the lowest is idle longest."""
    turns: dict[str, int] = field(default_factory=dict)
    """Of each queue that takes agents in turn, when it was theirs."""

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
    """Who must not get it now."""
    refused: dict[str, int] = field(default_factory=dict)
    """Who refused it, also those who may be asked again, and when last."""
    waits_since: int = 0
    overflowed: list[str] = field(default_factory=list)
    bound_for: tuple[str, str] = ("", "")
    """Where it overflows to, until it is there: a kind of target, and its name."""
    finishes: int | None = None
    """Set in after-service: until when, 0 without a limit."""
    kept_for: str = ""
    kept_until: int = 0
    relaxed: int = 0
    takes: Takes = field(default_factory=Takes)


@dataclass
class Book:
    """Queues, groups, agents and tasks of all tenants."""

    queues: dict[Key, wire.QueueConfigured] = field(default_factory=dict)
    groups: dict[Key, wire.GroupConfigured] = field(default_factory=dict)
    modes: dict[Key, int] = field(default_factory=dict)
    """What supervisors let queues do."""
    vacated: dict[tuple[str, str, str], wire.Vacated] = field(default_factory=dict)
    """By tenant, and queue or group, that is being removed or was: where its work went."""
    agents: dict[Key, Agent] = field(default_factory=dict)
    tasks: dict[Key, Task] = field(default_factory=dict)
    tenants: dict[str, wire.TenantConfigured] = field(default_factory=dict)
    """What tenants say of all their agents."""
    last_agents: dict[Key, tuple[str, int]] = field(default_factory=dict)
    """Who held the last task of a contact, and when."""
    dissolved: set[Key] = field(default_factory=set)
    """Tasks whose group is removed in this step: they go to their queue, by nobody's order."""
    at: int = 0

    def queue(self, tenant_id: str, queue_id: str) -> wire.QueueConfigured:
        return self.queues.get((tenant_id, queue_id)) or wire.QueueConfigured(
            queue_id=queue_id,
            offer_timeout_ms=DEFAULT_OFFER_TIMEOUT_MS,
            priority=DEFAULT_PRIORITY,
        )

    def priority(self, it: wire.Queued) -> int:
        """Return a task's own priority, or what its queue gives those that have none."""
        return it.task.priority or self.queue(it.tenant_id, it.task.queue_id).priority

    def forget_removed(self, it: wire.AgentSet) -> None:
        """Whoever gets the id of a removed agent has held nobody's task."""
        if it.agent.removed:
            gone = it.tenant_id, it.agent.agent_id
            of = self.last_agents.items()
            self.last_agents = {key: held for key, held in of if (key[0], held[0]) != gone}

    def agent(self, tenant_id: str, agent_id: str) -> Agent:
        return self.agents.setdefault((tenant_id, agent_id), Agent())

    def capacity(self, tenant_id: str, agent: Agent) -> int:
        """Return an agent's units: their own, or as the tenant says."""
        if agent.config.takes_nothing:
            return 0
        tenant = self.tenants.get(tenant_id)
        of_all = tenant.capacity if tenant is not None else 0
        return agent.config.capacity or of_all or DEFAULT_CAPACITY

    def tenant_set(self, it: wire.TenantSet) -> None:
        self.tenants[it.tenant_id] = it.tenant

    def could_take(self, tenant_id: str, agent: Agent, task: Task) -> bool:
        """Tell whether an agent is there for a task of their queue: also one who is busy."""
        queue = self.queue(tenant_id, task.submitted.queue_id)
        least = rules.needs(task.submitted, queue, len(queue.relaxations))
        return (
            agent.receives()
            and task.submitted.queue_id in agent.config.queue_ids
            and task.takes.channel in rules.channels(agent.config, agent.presence)
            and rules.fits(task.takes, [], self.capacity(tenant_id, agent))
            and rules.qualified(agent.config, least)
        )

    def group(self, tenant_id: str, task: Task) -> wire.GroupConfigured | None:
        return self.groups.get((tenant_id, task.submitted.group_id))

    def paused(self, tenant_id: str, task: Task) -> bool:
        mode = self.modes.get((tenant_id, task.submitted.queue_id))
        return mode == public.QUEUE_MODE_PAUSED and not task.submitted.group_id

    def reaches(self, tenant_id: str, agent_id: str, task: Task) -> bool:
        """Tell whether the agent answers the task's queue or belongs to its group."""
        if task.submitted.group_id:
            return agent_id in groups.members(self.group(tenant_id, task))
        agent = self.agents.get((tenant_id, agent_id))
        return agent is not None and task.submitted.queue_id in agent.config.queue_ids

    def having(self, tenant_id: str, task_id: str) -> list[str]:
        """Return at whom a task rings, and who holds it."""
        return [
            who for (of, who), it in self.agents.items() if of == tenant_id and task_id in it.has
        ]

    def loads(self, tenant_id: str, agent: Agent, *, but: str | None = None) -> list[Takes]:
        return [self.tasks[tenant_id, one].takes for one in agent.has if one != but]

    def suits(self, tenant_id: str, agent_id: str, task: Task) -> bool:
        """Tell whether the agent could be offered the task now."""
        agent = self.agents[tenant_id, agent_id]
        return (
            agent.receives()
            and not self.paused(tenant_id, task)
            and self.reaches(tenant_id, agent_id, task)
            and agent_id not in task.offers
            and task.takes.channel in rules.channels(agent.config, agent.presence)
            and self.qualifies(tenant_id, agent, task)
            and agent_id not in task.excluded
            and task.kept_for in {"", agent_id}
            and rules.fits(
                task.takes, self.loads(tenant_id, agent), self.capacity(tenant_id, agent)
            )
        )

    def qualifies(self, tenant_id: str, agent: Agent, task: Task) -> bool:
        """Tell whether an agent has what is needed: in a group nothing is."""
        queue = self.queue(tenant_id, task.submitted.queue_id)
        needs = rules.needs(task.submitted, queue, task.relaxed)
        return task.submitted.group_id != "" or rules.qualified(agent.config, needs)

    def keeper(self, tenant_id: str, task: Task) -> str:
        """Return for whom a new task is kept; nobody: for everybody."""
        submitted = task.submitted
        queue = self.queue(tenant_id, submitted.queue_id)
        if submitted.group_id:
            return ""
        agent_id, at = self.last_agents.get((tenant_id, submitted.contact_id), ("", 0))
        lately = at > self.at - (queue.sticky_window_ms or DEFAULT_WINDOW_MS)
        to_last = queue.sticky_to == directory.Sticky.TO_LAST and lately
        sticky = [agent_id] * to_last + [submitted.preferred_agent_id] * bool(queue.sticky_to)
        meant = [submitted.last_agent_id, *sticky]
        return next((one for one in meant if self.hopes(tenant_id, task, one)), "")

    def hopes(self, tenant_id: str, task: Task, agent_id: str) -> bool:
        """Tell whether it makes sense to keep a task for an agent."""
        agent = self.agents.get((tenant_id, agent_id))
        queue = self.queue(tenant_id, task.submitted.queue_id)
        relaxed = rules.steps_due(task.submitted, queue, self.at)
        return (
            agent is not None
            and agent.presence.connected
            and not agent.config.removed
            and task.submitted.queue_id in agent.config.queue_ids
            and rules.takes(task.submitted, queue).channel
            in rules.channels(agent.config, wire.PresenceObserved())
            and rules.qualified(agent.config, rules.needs(task.submitted, queue, relaxed))
            and rules.fits(rules.takes(task.submitted, queue), [], self.capacity(tenant_id, agent))
        )

    def settle(self, tenant_id: str, task: Task) -> None:
        """Let a waiting task ask what its queue says now."""
        queue = self.queue(tenant_id, task.submitted.queue_id)
        task.takes = rules.takes(task.submitted, queue)
        task.relaxed = rules.steps_due(task.submitted, queue, self.at)

    def waiting(self, tenant_id: str) -> Iterator[Task]:
        """Walk what is to ring as soon as it can, at one more or at all."""
        for (owner, _), task in self.tasks.items():
            if owner == tenant_id and self.looks(tenant_id, task):
                yield task

    def looks(self, tenant_id: str, task: Task) -> bool:
        """Tell whether a task is to ring as soon as it can, at one more or at all."""
        group = self.group(tenant_id, task)
        rings_on = task.place == RINGS and group is not None and groups.at_once(group)
        return task.place == WAITS or rings_on

    def precedence(self, tenant_id: str, task: Task) -> tuple[int, int, int, str]:
        """Order what waits at the present moment: the least goes first."""
        queue = self.queue(tenant_id, task.submitted.queue_id)
        since, grouped = task.submitted.enqueued_at_ms, task.submitted.group_id != ""
        by_age = queue.task_selection == directory.TASK_SELECTION_AGE and not grouped
        priority = queue.priority if by_age else task.priority
        wait = max(self.at - since, 0) * (1 if grouped else queue.weight or 1)
        return -priority, -wait, since, task.submitted.task_id

    def preference(self, tenant_id: str, agent_id: str, task: Task) -> tuple[int, int, int, int]:
        """Order agents as the task's queue or group does: the least is the one to take.

        Who refused it comes after who did not, and who refused it longest ago before the others.
        """
        refused_at = task.refused.get(agent_id, 0)
        group = self.group(tenant_id, task)
        if group is not None:
            if groups.at_once(group):
                return 0, 0, 0, 0
            return refused_at, groups.turn(group, task.submitted.task_id, agent_id), 0, 0
        agent = self.agents[tenant_id, agent_id]
        queue = self.queue(tenant_id, task.submitted.queue_id)
        needs = rules.needs(task.submitted, queue, task.relaxed)
        wishes = rules.wishes(task.submitted, queue)
        levels = {skill.skill_id: skill.level for skill in agent.config.skills}
        has = sum(levels.get(skill, 0) >= level for skill, level in wishes.items())
        good = sum(levels.get(skill, 0) for skill in {*needs, *wishes})
        return refused_at, -has, self._score(tenant_id, agent, task, good), agent.idle_from

    def _score(self, tenant_id: str, agent: Agent, task: Task, good: int) -> int:
        queue_id = task.submitted.queue_id
        match rules.selection(self.queue(tenant_id, queue_id), task.takes.channel):
            case directory.AGENT_SELECTION_LEAST_BUSY:
                return rules.share(self.loads(tenant_id, agent), self.capacity(tenant_id, agent))
            case directory.AGENT_SELECTION_MOST_QUALIFIED:
                return -good
            case directory.AGENT_SELECTION_LEAST_QUALIFIED:
                return good
            case directory.AGENT_SELECTION_ROUND_ROBIN:
                return agent.turns.get(queue_id, 0)
            case _:
                return 0
