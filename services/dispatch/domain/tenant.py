"""What a shard knows of one tenant."""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from .decisions import Reason, Vacated
from .demand import Precedence, demand_of, precedence, urgency_of
from .estimates import Estimate, Pace, Wait
from .groups import Groups
from .index import Index
from .inputs import (
    AgentConfigured,
    GroupConfigured,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    TaskSubmitted,
    TenantConfigured,
)
from .last_agents import LastAgents
from .lines import Lines
from .parties import Agent, Task
from .staff import Staff
from .value import value


@value
class Hours:
    """What is known of a queue's openings, and where it is in them."""

    openings: OpeningsForeseen
    is_open: bool = True
    turns_at: int = 0
    """When that changes, or is looked at again: where what is known ends."""

    @property
    def foreseen_turn(self) -> int:
        """Return when it opens or closes next; 0: not as far as anything is known."""
        return self.turns_at if self.turns_at < self.openings.until else 0


@value
class Kept:
    """How a command was answered, and when."""

    reason: Reason
    count: int
    at: int
    fingerprint: bytes


@dataclass(slots=True)
class Tenant:
    """One tenant's share of a shard."""

    id: str
    settings: TenantConfigured = field(init=False)
    queues: dict[str, QueueConfigured] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    # What forgets its oldest is an OrderedDict: to find it, a dict steps over all it has forgotten.
    ended: OrderedDict[str, int] = field(default_factory=OrderedDict)
    modes: dict[str, QueueMode] = field(default_factory=dict)
    """Of queues that are not open."""
    vacated: dict[tuple[str, str], Vacated] = field(default_factory=dict)
    """By queue, or group, that is being removed or was, and whose work went elsewhere."""
    answers: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    hours: dict[str, Hours] = field(default_factory=dict)
    last_agents: LastAgents = field(default_factory=LastAgents)
    paces: dict[str, Pace] = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    groups: Groups = field(default_factory=Groups)
    staff: Staff = field(default_factory=Staff)
    lines: Lines = field(default_factory=Lines)

    def __post_init__(self) -> None:
        self.settings = TenantConfigured(self.id)

    def queue(self, queue_id: str) -> QueueConfigured:
        """Return the queue, or one with defaults: work in an unknown queue waits, visibly."""
        return self.queues.get(queue_id) or QueueConfigured(self.id, queue_id)

    def has_queue(self, queue_id: str) -> bool:
        """Tell whether there is such a queue, and it is not about to be removed."""
        queue = self.queues.get(queue_id)
        return queue is not None and not queue.removed and (queue_id, "") not in self.vacated

    def configure_queue(self, queue: QueueConfigured) -> None:
        """Take a queue as it is now; of one that is removed its pace is forgotten."""
        self.queues[queue.queue_id] = queue
        self._put(queue.queue_id, "", queue)
        if queue.removed:
            self.paces.pop(queue.queue_id, None)
        if queue.policy.hours is None:
            self.hours.pop(queue.queue_id, None)

    def configure_group(self, group: GroupConfigured) -> None:
        """Take a group as it is now."""
        self.groups.configure(group)
        self._put("", group.group_id, group)

    def _put(self, queue_id: str, group_id: str, now: QueueConfigured | GroupConfigured) -> None:
        """Keep what is put again, or made anew, for itself."""
        before = self.vacated.get((queue_id, group_id))
        if before is not None and not now.removed and now.version > before.version:
            del self.vacated[queue_id, group_id]

    def vacate(self, it: Vacated) -> None:
        """Give to another queue what comes to one, or to a group, and what is held of it."""
        held = [task for task in self.tasks_at(it.queue_id, it.group_id) if task.held]
        self.vacated[it.queue_id, it.group_id] = it
        for task in held:
            task.submitted = self.led_on(task.submitted)

    def tasks_at(self, queue_id: str, group_id: str) -> Iterator[Task]:
        """Walk the tasks of a group, or those of a queue that are at no group."""
        for task in self.tasks.values():
            if task.submitted.group_id == group_id and (
                group_id or task.submitted.queue_id == queue_id
            ):
                yield task

    def led_on(self, submitted: TaskSubmitted) -> TaskSubmitted:
        """Return a task as it is where it comes to: elsewhere, if its place is being removed."""
        group_id = submitted.group_id
        queue_id = self.led_to("" if group_id else submitted.queue_id, group_id)
        return replace(submitted, queue_id=queue_id, group_id="") if queue_id else submitted

    def led_to(self, queue_id: str, group_id: str) -> str:
        """Return the queue that has the work of a queue, or of a group, by now; empty: itself.

        This ends: nothing is vacated into a queue that is vacated itself.
        """
        to = ""
        while (gone := self.vacated.get((queue_id, group_id))) is not None:
            to = queue_id = gone.target_queue_id
            group_id = ""
        return to

    def agent(self, agent_id: str) -> Agent:
        """Return the agent; one heard of for the first time has no capacity and is away."""
        agent = self.agents.get(agent_id)
        if agent is None:
            agent = self.agents[agent_id] = Agent(
                self.id,
                agent_id,
                AgentConfigured(self.id, agent_id),
                PresenceObserved(self.id, agent_id),
            )
        return agent

    def configure(self, settings: TenantConfigured) -> None:
        """Have agents who say nothing of their own follow what the tenant says now."""
        self.settings = settings
        for agent in self.inheriting:
            self.place(agent)

    def place(self, agent: Agent) -> None:
        """Put an agent where their configuration, presence and load now belong."""
        own = agent.config.capacity
        agent.capacity = self.settings.capacity if own is None else own
        self.index.place_agent(agent)
        self.staff.place(agent)

    @property
    def inheriting(self) -> list[Agent]:
        """The agents who say nothing of a capacity of their own."""
        return [agent for agent in self.agents.values() if agent.config.capacity is None]

    def has_anybody_for(self, task: Task) -> bool:
        """Tell whether somebody is there who could take a task, perhaps when it asks for less."""
        demand = task.demand
        if demand is None:
            demand = demand_of(task.submitted, self.queue(task.submitted.queue_id), task.relaxed)
        return self.staff.has_anybody_for(demand)

    def reaches(self, task: Task, agent: Agent) -> bool:
        """Tell whether the agent answers the task's queue or belongs to its group."""
        submitted = task.submitted
        if submitted.group_id:
            return agent.id in self.groups.members(submitted.group_id)
        return submitted.queue_id in agent.config.queue_ids

    def priority(self, submitted: TaskSubmitted) -> int:
        """Return a task's priority: its own, or its queue's."""
        return submitted.priority or self.queue(submitted.queue_id).priority

    def rings_for(self, task: Task) -> int:
        """Return how long an offer of the task rings, in milliseconds."""
        group = self.groups.configured.get(task.submitted.group_id)
        if group is not None:
            return group.ring_timeout_ms
        return self.queue(task.submitted.queue_id).offer_timeout_ms

    def precedence(self, task: Task, at: int) -> Precedence:
        """Order what waits. A group has neither weight nor a selection of its own."""
        if task.submitted.group_id:
            return precedence(task.priority, 1, task.submitted, at)
        queue = self.queue(task.submitted.queue_id)
        return precedence(urgency_of(task.priority, queue), queue.weight, task.submitted, at)

    def best_task(self, agent: Agent, at: int) -> Task | None:
        """Return the first task for which the agent is free now."""
        of_queue, of_group = self.index.best_task(agent, at), self.groups.best_task(agent)
        if of_queue is None or of_group is None:
            return of_queue or of_group
        return min(of_queue, of_group, key=lambda task: self.precedence(task, at))

    def heads_of(self, queue_id: str) -> Iterator[Task]:
        """Walk what comes first of a queue's tasks; those of groups are looked at together."""
        return chain(self.index.heads(queue_id), self.index.kept(queue_id), self.groups.heads())

    def heads_for(self, agents: Collection[Agent]) -> Iterator[Task]:
        """Walk what comes first of all that may be for any of some agents."""
        return chain(self.index.heads_for(agents), self.groups.heads_for(agents))

    def has_room(self, agent: Agent) -> bool:
        """Tell whether an agent has room for anything that is asked of them."""
        return self.index.has_room(agent) or self.groups.has_room(agent)

    def line_up(self, task: Task) -> None:
        """Put a task where it waits, asking what its queue says now."""
        submitted = task.submitted
        queue = self.queue(submitted.queue_id)
        demand = demand_of(submitted, queue, task.relaxed)
        task.widens_at = 0
        if submitted.group_id:
            if not task.rings:
                task.load = demand.load
            self.groups.place_task(task)
            return
        keeper = self.agent(task.kept_for) if task.kept_for else None
        urgency = urgency_of(task.priority, queue)
        self.index.place_task(task, demand, urgency, keeper)
        self.lines.add(task, urgency)
        due = [task.kept_until] if task.kept_for else []
        if task.relaxed < len(queue.relaxations):
            due.append(submitted.enqueued_at + queue.relaxations[task.relaxed].after_ms)
        task.widens_at = min(due, default=0)

    def take_out(self, task: Task, at: int, *, started: bool = False) -> None:
        """Take a task out of its line; harmless when it is in none."""
        self.leave_queue(task, at, started=started)
        self.groups.remove_task(task)

    def leave_queue(self, task: Task, at: int, *, started: bool = False) -> None:
        """Take a task out of its queue's line; it stays in its group's while it rings."""
        if task.entry is None:
            return
        self.index.remove_task(task)
        self.lines.remove(task)
        if started and task.wait is not None and task.wait.since == at:
            task.wait = None  # there was an agent at once: that is no wait to learn from
        queue_id = task.submitted.queue_id
        waited = started and task.wait is not None
        self.pace(queue_id).left(self.lines.length(queue_id), at, started=waited)

    def begin_wait(self, task: Task, at: int, *, new: bool) -> None:
        """Note that a task stands in its queue's line; foretell the wait of a new one."""
        queue_id = task.submitted.queue_id
        if task.submitted.group_id:
            task.wait = None
            return
        self.pace(queue_id).joined(self.lines.length(queue_id), at)
        if new:
            task.wait = Wait(at, self.foretell(task, at))

    def foretell(self, task: Task, at: int) -> Estimate | None:
        """Foretell how long a task in line waits from now on; None when nobody can."""
        queue_id = task.submitted.queue_id
        pace = self.paces.get(queue_id)
        paused = self.modes.get(queue_id) is QueueMode.PAUSED
        if pace is None or paused or not self.has_anybody_for(task):
            return None
        return pace.estimate(self.lines.rank(task.submitted.task_id), at)

    def pace(self, queue_id: str) -> Pace:
        """Return what is known of how fast a queue goes, from now on if nothing is."""
        pace = self.paces.get(queue_id)
        if pace is None:
            pace = self.paces[queue_id] = Pace()
        return pace
