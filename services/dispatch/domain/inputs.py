"""What the router is told: facts about the world, and commands of people.

Times are milliseconds since 1970 UTC. Facts may be repeated and late: old versions are ignored.
"""

from enum import IntEnum

from .policy import PATIENT, Policy
from .repeatable import Repeatable, Versioned
from .timers import Timer
from .vacate import Vacate
from .value import value

Skills = tuple[tuple[str, int], ...]
"""Skill and level, sorted by skill."""


class AgentSelection(IntEnum):
    """How a queue picks among the agents who can take a task."""

    LONGEST_IDLE = 1
    LEAST_BUSY = 2
    MOST_QUALIFIED = 3
    LEAST_QUALIFIED = 4
    ROUND_ROBIN = 5


class TaskSelection(IntEnum):
    """How a queue picks among the tasks that an agent can take."""

    PRIORITY = 1
    AGE = 2


class Channel(IntEnum):
    """A kind of work, as capacity sees it."""

    CHAT = 1
    CALL = 2
    VOICEMAIL = 3


class StickyTo(IntEnum):
    """To whom a queue first takes a task."""

    NOBODY = 0
    LAST = 1
    PREFERRED = 2


class RingStrategy(IntEnum):
    """How members of a group are rung: all at once, or one by one, drawn for each task or not."""

    SIMULTANEOUS = 1
    RANDOM = 2
    SEQUENTIAL = 3


class QueueMode(IntEnum):
    """What a supervisor lets a queue do."""

    OPEN = 1
    PAUSED = 2
    """Nothing is offered; tasks come in, wait, and keep their age."""
    DRAINING = 3
    """Nothing comes in; what waits is served."""


class Role(IntEnum):
    """Rank of a user, lowest first."""

    NONE = 0
    AGENT = 1
    SUPERVISOR = 2
    MANAGER = 3
    ADMINISTRATOR = 4
    OWNER = 5


ASK_AGAIN_AFTER_MS = 20_000
"""How long whoever refused a task is not asked again, where nobody said."""

SERVICE = "service:"
"""How the ids of services begin that act for a whole tenant. No user's id does."""


@value
class ChannelRouting:
    """How a queue routes tasks of one channel."""

    channel: Channel
    agent_selection: AgentSelection | None = None
    """None: the queue's."""
    cost: int = 1
    takes_all: bool = False
    interrupts: tuple[Channel, ...] = ()


@value
class Relaxation:
    """So long after a task first waited, it needs so many levels less than at first."""

    after_ms: int
    skill_id: str = ""
    """Empty: every skill."""
    lower_by: int = 5


@value
class Sticky:
    to: StickyTo = StickyTo.NOBODY
    window_ms: int = 24 * 3_600_000
    hold_ms: int = 0


NOT_STICKY = Sticky()


@value
class QueueConfigured(Versioned):
    tenant_id: str
    queue_id: str
    version: int = 0
    removed: bool = False
    agent_selection: AgentSelection = AgentSelection.LONGEST_IDLE
    offer_timeout_ms: int = 20_000
    priority: int = 50
    policy: Policy = PATIENT
    task_selection: TaskSelection = TaskSelection.PRIORITY
    channels: tuple[ChannelRouting, ...] = ()
    skills: Skills = ()
    """What every task of the queue needs, besides its own."""
    wishes: Skills = ()
    relaxations: tuple[Relaxation, ...] = ()
    weight: int = 1
    sticky: Sticky = NOT_STICKY
    ask_again_after_ms: int = ASK_AGAIN_AFTER_MS
    """How long after they refused a task somebody may be asked again."""


@value
class OpeningsForeseen:
    """When a queue with business hours is open: moments of opening and closing, in order.

    `version` is that of the queue's settings. From `until` on nothing is known, and who does not
    know that it is closed is open.
    """

    tenant_id: str
    queue_id: str
    version: int
    openings: tuple[tuple[int, int], ...]
    until: int


@value
class GroupConfigured(Versioned):
    tenant_id: str
    group_id: str
    version: int = 0
    removed: bool = False
    member_ids: tuple[str, ...] = ()
    """In the order of the group."""
    ring_strategy: RingStrategy = RingStrategy.SIMULTANEOUS
    ring_timeout_ms: int = 20_000
    ask_again_after_ms: int = ASK_AGAIN_AFTER_MS


@value
class AgentConfigured(Versioned):
    tenant_id: str
    agent_id: str
    version: int = 0
    removed: bool = False
    queue_ids: tuple[str, ...] = ()
    skills: Skills = ()
    capacity: int | None = 0
    """Units of it. None: as the tenant says."""
    channels: tuple[Channel, ...] = ()
    """What they can work on. Empty: everything."""


@value
class TenantConfigured(Versioned):
    """What a tenant says of all its agents."""

    tenant_id: str
    version: int = 0
    capacity: int = 3
    """Units of capacity of agents who say nothing of their own."""


@value
class PresenceObserved:
    tenant_id: str
    agent_id: str
    version: int = 0
    connected: bool = False
    receive_new: bool = False
    channels: tuple[Channel, ...] = ()
    """Of what they are willing to take new work. Empty: everything they can work on."""
    ready_at: int = 0
    """When they chose Ready last, perhaps while they were. 0: unknown."""


@value
class TaskSubmitted:
    tenant_id: str
    task_id: str
    queue_id: str
    enqueued_at: int
    cost: int = 0
    """Units of capacity. 0: as the queue says for the channel."""
    skills: Skills = ()
    """What it needs."""
    priority: int = 0
    """1 to 100. 0: the queue's."""
    channel: Channel = Channel.CHAT
    group_id: str = ""
    """Rings at this group's members instead of agents of the queue."""
    wishes: Skills = ()
    """Who has more of these comes first; nobody is shut out."""
    contact_id: str = ""
    preferred_agent_id: str = ""
    last_agent_id: str = ""
    """Who held what it goes on with: asked first, whatever the queue says. Empty: it is new."""


@value
class TaskClosed:
    """The conversation or call is over. `closed_by`: who ended it; nobody when the customer did."""

    tenant_id: str
    task_id: str
    closed_by: str = ""


@value
class AcceptOffer(Repeatable):
    tenant_id: str
    task_id: str
    agent_id: str
    request_id: str = ""
    reply_to: str = ""


@value
class DeclineOffer(Repeatable):
    tenant_id: str
    task_id: str
    agent_id: str
    request_id: str = ""
    reply_to: str = ""


@value
class AssignTask(Repeatable):
    tenant_id: str
    task_id: str
    actor_id: str
    actor_role: Role
    assignee_id: str
    request_id: str = ""
    reply_to: str = ""


@value
class CompleteTask(Repeatable):
    tenant_id: str
    task_id: str
    actor_id: str
    actor_role: Role
    request_id: str = ""
    reply_to: str = ""


@value
class FinishAfterService(Repeatable):
    tenant_id: str
    task_id: str
    actor_id: str
    actor_role: Role
    request_id: str = ""
    reply_to: str = ""


@value
class SubmitTask(Repeatable):
    """Begin a task. Its age counts from the moment this is decided."""

    tenant_id: str
    task: TaskSubmitted
    actor_id: str
    actor_role: Role
    request_id: str = ""
    reply_to: str = ""

    @property
    def task_id(self) -> str:
        return self.task.task_id


@value
class ReportUnreachable(Repeatable):
    """The agent's device could not ring."""

    tenant_id: str
    task_id: str
    agent_id: str
    request_id: str = ""
    reply_to: str = ""


@value
class CancelTask(Repeatable):
    """Somebody ends what nobody holds; for a service, because whoever waited has given up."""

    tenant_id: str
    task_id: str
    actor_id: str
    actor_role: Role
    request_id: str = ""
    reply_to: str = ""


@value
class ExtendAfterService(Repeatable):
    tenant_id: str
    task_id: str
    agent_id: str
    request_id: str = ""
    reply_to: str = ""


@value
class TakeBackTask(Repeatable):
    """Take it from its holder; `exclude_agent`: not offered to them before they choose Ready."""

    tenant_id: str
    task_id: str
    actor_id: str
    actor_role: Role
    exclude_agent: bool = False
    request_id: str = ""
    reply_to: str = ""


@value
class SetQueueMode(Repeatable):
    tenant_id: str
    queue_id: str
    mode: QueueMode
    actor_id: str
    actor_role: Role
    request_id: str = ""
    reply_to: str = ""


@value
class MoveTasks(Repeatable):
    """Move what waits. No task ids: the first of the line. No queue: from wherever they wait."""

    tenant_id: str
    queue_id: str
    target_queue_id: str
    actor_id: str
    actor_role: Role
    task_ids: tuple[str, ...] = ()
    request_id: str = ""
    reply_to: str = ""


Fact = (
    QueueConfigured
    | GroupConfigured
    | OpeningsForeseen
    | TenantConfigured
    | AgentConfigured
    | PresenceObserved
    | TaskSubmitted
    | TaskClosed
)
Command = (
    AcceptOffer
    | DeclineOffer
    | AssignTask
    | CompleteTask
    | FinishAfterService
    | ExtendAfterService
    | SubmitTask
    | ReportUnreachable
    | CancelTask
    | TakeBackTask
    | SetQueueMode
    | MoveTasks
    | Vacate
)
Input = Fact | Command | Timer
