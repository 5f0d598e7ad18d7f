"""Agents and tasks, and what they have in common with others of their kind.

All that says how things are is in the config, the presence and the decisions; what concerns lines
is made from that by the index.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from .demand import NO_LOAD, WHOLE, Demand, Load, Room, channels_of, has, has_room
from .estimates import Wait
from .inputs import AgentConfigured, AgentSelection, PresenceObserved, Skills, TaskSubmitted
from .value import value

TaskEntry = tuple[int, int, str, int, "Task"]
"""Least first: minus urgency, enqueued at, task id, a counter, the task."""

AgentEntry = tuple[int, int, int, str, int, "Agent"]
"""Least first: score of the order, idle since, idle order, agent id, stamp, the agent."""

Order = tuple[AgentSelection, str]
"""How the agents of a line stand in it, and the queue when only one queue sees them so."""

LONGEST_IDLE: Order = (AgentSelection.LONGEST_IDLE, "")

SignatureKey = tuple[Demand, tuple[str, ...]]
ProfileKey = tuple[tuple[str, ...], Skills, tuple[int, ...]]


@dataclass(slots=True, eq=False)
class Agent:
    """An agent as the router sees them. `loads` counts what rings and what is held."""

    tenant_id: str
    id: str
    config: AgentConfigured
    presence: PresenceObserved
    loads: dict[Load, int] = field(default_factory=dict)
    tasks: dict[str, "Task"] = field(default_factory=dict)
    kept: dict[str, "Task"] = field(default_factory=dict)
    capacity: int = 0
    """Their own, or the tenant's: units of work at once."""
    refused: dict[str, "Task"] = field(default_factory=dict)
    """Every task that has them in `refused`."""
    turns: dict[str, int] = field(default_factory=dict)
    """Queues that take agents in turn, and when it was theirs last."""
    idle_since: int = 0
    idle_order: int = 0
    stamp: int = 0
    profile: "Profile | None" = None
    room: Room | None = None

    @property
    def receiving(self) -> bool:
        """Takes offers: configured, connected, and willing."""
        return self.presence.connected and self.presence.receive_new and not self.config.removed

    @property
    def channels(self) -> tuple[int, ...]:
        """What they can and want to work on."""
        return channels_of(self.config, self.presence)

    def handles(self, load: Load) -> bool:
        """Tell whether they are configured for the channel."""
        return not self.config.channels or load.channel in self.config.channels

    def takes(self, load: Load) -> bool:
        """Tell whether they take new work of the channel, if they have room."""
        return self.receiving and load.channel in self.channels

    def fits(self, load: Load, *, instead_of: Load | None = None) -> bool:
        """Tell whether there is room for one more task, or for it in the place of another."""
        beside: Iterable[tuple[Load, int]] = self.loads.items()
        if instead_of is not None:
            beside = [(one, count - (one == instead_of)) for one, count in beside]
        return has_room(self.capacity, beside, load)

    def put(self, task: "Task") -> None:
        """Let them have a task, ringing or held."""
        self.tasks[task.submitted.task_id] = task
        self.loads[task.load] = self.loads.get(task.load, 0) + 1

    def let_go(self, task: "Task") -> None:
        """Take a task from them."""
        del self.tasks[task.submitted.task_id]
        self.loads[task.load] -= 1
        if not self.loads[task.load]:
            del self.loads[task.load]


@value
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
    """Who must not get it now, by id: those in `refused` whose pause is not over."""
    agent_id: str = ""
    """Who holds it."""
    offers: dict[str, int] = field(default_factory=dict)
    """At whom it rings, and until when."""
    waits_since: int = 0
    """When it came to its queue."""
    overflowed: tuple[str, ...] = ()
    """The queues that it could not stay in."""
    after_service: AfterServiceSpan | None = None
    wait: Wait | None = None
    """Until somebody holds it: what was foretold."""
    kept_for: str = ""
    kept_until: int = 0
    relaxed: int = 0
    """Steps of relaxation taken."""
    widens_at: int = 0
    """When more agents may get it; 0: never, or it does not wait."""
    load: Load = NO_LOAD
    """What it takes: as its queue says while it waits, then fixed."""
    refused: dict[str, int] = field(default_factory=dict)
    """Who refused it, and when last; 0: a supervisor took it from them, which no pause ends.

    All who are excluded, and of the others the latest.
    """
    demand: Demand | None = None
    entry: TaskEntry | None = None
    signature: "Signature | None" = None
    keeper: Agent | None = None

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
        """Least first in the line of a group: by priority, then age."""
        return -self.priority, self.submitted.enqueued_at, self.submitted.task_id

    @property
    def waits(self) -> bool:
        return not self.agent_id and not self.offers


@dataclass(slots=True, eq=False)
class Signature:
    """What tasks of one line ask; the line itself."""

    key: SignatureKey
    order: Order
    line: list[TaskEntry] = field(default_factory=list)
    waiting: int = 0
    profiles: dict["Profile", tuple[int, int]] = field(default_factory=dict)
    """Who can serve it, and how good they are at it."""

    @property
    def load(self) -> Load:
        """What each of its tasks takes."""
        return self.key[0].load

    def meet(self, profile: "Profile", merit: tuple[int, int]) -> None:
        """Be served by the agents of a profile from now on."""
        self.profiles[profile] = merit
        profile.signatures.setdefault(self.load, {})[self.key] = self

    def part(self, profile: "Profile") -> None:
        """Be served by the agents of a profile no more."""
        del self.profiles[profile]
        same_load = profile.signatures[self.load]
        del same_load[self.key]
        if not same_load:
            del profile.signatures[self.load]

    def entries(self) -> Iterator[TaskEntry]:
        """Walk what waits here, in no order."""
        return (entry for entry in self.line if entry[4].entry is entry)

    def head(self) -> TaskEntry | None:
        line = self.line
        while line and line[0][4].entry is not line[0]:
            heappop(line)
        return line[0] if line else None

    def head_task(self) -> Task | None:
        """Return what stands first; None: nothing waits here."""
        head = self.head()
        return None if head is None else head[4]


@dataclass(slots=True, eq=False)
class Profile:
    """What agents of one group offer; those of them who receive, by order and room."""

    key: ProfileKey
    queue_ids: frozenset[str]
    skills: dict[str, int]
    orders: tuple[Order, ...]
    agents: dict[str, Agent] = field(default_factory=dict)
    signatures: dict[Load, dict[SignatureKey, Signature]] = field(default_factory=dict)
    """By what their tasks take: one look says whether an agent has room for any of them."""
    lines: dict[Order, dict[Room, list[AgentEntry]]] = field(default_factory=dict)

    def serves(self, demand: Demand) -> bool:
        return (
            demand.queue_id in self.queue_ids
            and demand.load.channel in self.key[2]
            and has(self.skills, demand.needs)
        )


def order_of(selection: AgentSelection, queue_id: str) -> Order:
    """Return the order in which a selection of a queue sees agents."""
    if selection is AgentSelection.LEAST_BUSY:
        return selection, ""
    if selection is AgentSelection.ROUND_ROBIN:
        return selection, queue_id
    # How qualified somebody is, their profile says.
    return LONGEST_IDLE


def score(agent: Agent, order: Order) -> int:
    """Return what counts before idleness where agents stand in this order."""
    selection, queue_id = order
    if selection is AgentSelection.LEAST_BUSY:
        return WHOLE if agent.room is None else agent.room.share
    if selection is AgentSelection.ROUND_ROBIN:
        return agent.turns.get(queue_id, 0)
    return 0


def first_free(
    lines: dict[Room, list[AgentEntry]], load: Load, refused: Container[str]
) -> AgentEntry | None:
    """Return the first of all lines in whose room a task fits, but for those who refused it."""
    first: AgentEntry | None = None
    empty: Room | None = None
    for room, line in lines.items():
        if not room.fits(load):
            continue
        while line and line[0][5].stamp != line[0][4]:
            heappop(line)
        if not line:
            empty = room
            continue
        entry = _first_but(line, refused) if refused else line[0]
        if entry is not None and (first is None or entry < first):
            first = entry
    if empty is not None:
        del lines[empty]
    return first


def _first_but(line: list[AgentEntry], refused: Container[str]) -> AgentEntry | None:
    """Return the first live entry of somebody else; a task remembers only so many."""
    aside: list[AgentEntry] = []
    found = None
    while line:
        entry = line[0]
        if entry[5].stamp != entry[4]:
            heappop(line)
        elif entry[3] in refused:
            aside.append(heappop(line))
        else:
            found = entry
            break
    for entry in aside:
        heappush(line, entry)
    return found
