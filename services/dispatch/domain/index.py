"""Who can take what, found by looking at the heads of compatible lines only.

Agents are grouped by profile (queues and skills), waiting tasks by signature (queue, skills,
cost, who must not get it). Every profile knows the signatures it can serve and the reverse, so a
match costs the number of compatible heads, not the number of agents or tasks. Lines are heaps
whose stale entries are dropped when they surface.
"""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from .inputs import AgentConfigured, AgentSelection, PresenceObserved, Skills, TaskSubmitted

TaskEntry = tuple[int, int, str, int, "Task"]
"""Least first: minus priority, enqueued at, task id, a counter, the task."""

AgentEntry = tuple[int, int, int, int, "Agent"]
"""Least first: share in use (0 unless least busy), idle since, idle order, stamp, the agent."""

SignatureKey = tuple[str, Skills, int, tuple[str, ...]]
ProfileKey = tuple[tuple[str, ...], Skills]


@dataclass(slots=True, eq=False)
class Agent:
    """An agent as the router sees them. `used` counts what rings and what is held."""

    tenant_id: str
    id: str
    config: AgentConfigured
    presence: PresenceObserved
    used: int = 0
    tasks: dict[str, "Task"] = field(default_factory=dict)
    excluded_from: dict[str, "Task"] = field(default_factory=dict)
    idle_since: int = 0
    idle_order: int = 0
    stamp: int = 0
    profile: "Profile | None" = None

    @property
    def receiving(self) -> bool:
        """Takes offers: configured, connected, and willing."""
        return self.presence.connected and self.presence.receive_new and not self.config.removed

    @property
    def free(self) -> int:
        return self.config.capacity - self.used


@dataclass(frozen=True, slots=True)
class AfterServiceSpan:
    """The work is over and the agent finishes it, until a moment or (0) until they say so."""

    ends_at: int


@dataclass(slots=True, eq=False)
class Task:
    """A task as the router sees it: waits, rings at agents, or is held by one of them.

    It rings at one agent of a queue, or at several members of a group.
    """

    submitted: TaskSubmitted
    revision: int
    priority: int
    excluded: tuple[str, ...] = ()
    agent_id: str = ""
    """Who holds it."""
    offers: dict[str, int] = field(default_factory=dict)
    """At whom it rings, and until when."""
    waits_since: int = 0
    """When it came to its queue."""
    overflowed: tuple[str, ...] = ()
    """The queues that it could not stay in."""
    after_service: AfterServiceSpan | None = None
    entry: TaskEntry | None = None
    signature: "Signature | None" = None

    @property
    def rings(self) -> bool:
        return bool(self.offers)

    @property
    def held(self) -> bool:
        return self.agent_id != ""

    @property
    def expires_at(self) -> int:
        """When the first of the offers rings out; 0 when it does not ring."""
        return min(self.offers.values(), default=0)

    @property
    def order(self) -> tuple[int, int, str]:
        """Least first: by priority, then age."""
        return -self.priority, self.submitted.enqueued_at, self.submitted.task_id

    @property
    def waits(self) -> bool:
        return not self.agent_id and not self.offers


@dataclass(slots=True, eq=False)
class Signature:
    """What tasks of one line need; the line itself."""

    key: SignatureKey
    line: list[TaskEntry] = field(default_factory=list)
    waiting: int = 0
    profiles: list["Profile"] = field(default_factory=list)

    def head(self) -> TaskEntry | None:
        line = self.line
        while line and line[0][4].entry is not line[0]:
            heappop(line)
        return line[0] if line else None


@dataclass(slots=True, eq=False)
class Profile:
    """What agents of one group offer; those of them who are free, by units free."""

    key: ProfileKey
    queue_ids: frozenset[str]
    skills: dict[str, int]
    agents: dict[str, Agent] = field(default_factory=dict)
    signatures: dict[SignatureKey, Signature] = field(default_factory=dict)
    lines: dict[tuple[AgentSelection, int], list[AgentEntry]] = field(default_factory=dict)

    def serves(self, key: SignatureKey) -> bool:
        queue_id, needs, _, _ = key
        has = self.skills.get
        return queue_id in self.queue_ids and all(has(skill, 0) >= level for skill, level in needs)


_STALE_ENTRIES_KEPT = 64


class Index:
    """The lines of one tenant. Holds no truth: it can be rebuilt from agents and tasks."""

    def __init__(self) -> None:
        self._profiles: dict[ProfileKey, Profile] = {}
        self._signatures: dict[SignatureKey, Signature] = {}
        self._selections: dict[str, AgentSelection] = {}
        self._counter = 0

    def select(self, queue_id: str, selection: AgentSelection) -> None:
        """Set how a queue picks its agents."""
        if self._selections.get(queue_id) is selection:
            return
        self._selections[queue_id] = selection
        for profile in self._profiles.values():
            if queue_id in profile.queue_ids:
                for agent in profile.agents.values():
                    agent.stamp += 1
                    self._line_up(agent, profile)

    # Agents

    def place_agent(self, agent: Agent) -> None:
        """Put an agent where their configuration, presence and load now belong."""
        profile = agent.profile
        key = (agent.config.queue_ids, agent.config.skills)
        if profile is None or profile.key != key:
            self.remove_agent(agent)
            profile = agent.profile = self._profile(key)
            profile.agents[agent.id] = agent
        agent.stamp += 1
        self._line_up(agent, profile)

    def remove_agent(self, agent: Agent) -> None:
        agent.stamp += 1
        profile, agent.profile = agent.profile, None
        if profile is None:
            return
        del profile.agents[agent.id]
        if not profile.agents:
            del self._profiles[profile.key]
            for signature in profile.signatures.values():
                signature.profiles.remove(profile)

    def best_agent(self, task: Task) -> Agent | None:
        """Return the agent whom the queue's selection prefers, or None when nobody is free."""
        signature = task.signature
        if signature is None:
            return None
        queue_id, _, cost, excluded = signature.key
        selection = self._selections.get(queue_id, AgentSelection.LONGEST_IDLE)
        best: AgentEntry | None = None
        for profile in signature.profiles:
            for (by, free), line in profile.lines.items():
                if by is not selection or free < cost:
                    continue
                while line and line[0][4].stamp != line[0][3]:
                    heappop(line)
                entry = _first_but(line, excluded) if excluded else line[0] if line else None
                if entry is not None and (best is None or entry < best):
                    best = entry
        return None if best is None else best[4]

    def _line_up(self, agent: Agent, profile: Profile) -> None:
        if not agent.receiving or agent.free <= 0:
            return
        free = agent.free
        for selection in {
            self._selections.get(queue_id, AgentSelection.LONGEST_IDLE)
            for queue_id in agent.config.queue_ids
        }:
            line = profile.lines.get((selection, free))
            if line is None:
                line = profile.lines[selection, free] = []
            share = (
                agent.used * 1_000_000 // agent.config.capacity
                if selection is AgentSelection.LEAST_BUSY
                else 0
            )
            if len(line) > _STALE_ENTRIES_KEPT + 2 * len(profile.agents):
                line[:] = [entry for entry in line if entry[4].stamp == entry[3]]
                heapify(line)
            heappush(line, (share, agent.idle_since, agent.idle_order, agent.stamp, agent))

    # Tasks

    def place_task(self, task: Task) -> None:
        """Put a waiting task in its line."""
        submitted = task.submitted
        key = (submitted.queue_id, submitted.skills, submitted.cost, task.excluded)
        signature = task.signature = self._signature(key)
        self._counter += 1
        entry = (
            -task.priority,
            submitted.enqueued_at,
            submitted.task_id,
            self._counter,
            task,
        )
        task.entry = entry
        signature.waiting += 1
        heappush(signature.line, entry)

    def remove_task(self, task: Task) -> None:
        """Take a task out of its line; harmless when it is in none."""
        signature, task.signature, task.entry = task.signature, None, None
        if signature is None:
            return
        signature.waiting -= 1
        if signature.waiting == 0:
            signature.line.clear()
            if signature.key[3]:
                self._forget(signature)

    def best_task(self, agent: Agent) -> Task | None:
        """Return the first task by priority, then age, that the agent can take now."""
        profile = agent.profile
        if profile is None or not agent.receiving:
            return None
        free = agent.free
        best: TaskEntry | None = None
        for signature in profile.signatures.values():
            if not signature.waiting or signature.key[2] > free:
                continue
            if signature.key[3] and agent.id in signature.key[3]:
                continue
            entry = signature.head()
            if entry is not None and (best is None or entry < best):
                best = entry
        return None if best is None else best[4]

    # Both sides know each other

    def _profile(self, key: ProfileKey) -> Profile:
        profile = self._profiles.get(key)
        if profile is None:
            profile = Profile(key, frozenset(key[0]), dict(key[1]))
            self._profiles[key] = profile
            for signature in self._signatures.values():
                if profile.serves(signature.key):
                    profile.signatures[signature.key] = signature
                    signature.profiles.append(profile)
        return profile

    def _signature(self, key: SignatureKey) -> Signature:
        signature = self._signatures.get(key)
        if signature is None:
            signature = self._signatures[key] = Signature(key)
            for profile in self._profiles.values():
                if profile.serves(key):
                    profile.signatures[key] = signature
                    signature.profiles.append(profile)
        return signature

    def _forget(self, signature: Signature) -> None:
        del self._signatures[signature.key]
        for profile in signature.profiles:
            del profile.signatures[signature.key]


def _first_but(line: list[AgentEntry], excluded: tuple[str, ...]) -> AgentEntry | None:
    """Return the first live entry of somebody else; the excluded are few."""
    aside: list[AgentEntry] = []
    found = None
    while line:
        entry = line[0]
        if entry[4].stamp != entry[3]:
            heappop(line)
        elif entry[4].id in excluded:
            aside.append(heappop(line))
        else:
            found = entry
            break
    for entry in aside:
        heappush(line, entry)
    return found
