"""What the router decides. The journal is a list of these, and the state is their fold.

A decision holds all that its public event says, so that events can be sent again from the
journal alone.
"""

from enum import IntEnum, StrEnum

from .inputs import (
    AgentConfigured,
    Channel,
    GroupConfigured,
    OpeningsForeseen,
    PresenceObserved,
    QueueConfigured,
    QueueMode,
    TaskSubmitted,
    TenantConfigured,
)
from .policy import Overflow, OverflowCause
from .value import value


class OfferEnd(IntEnum):
    """Why an offer ended without being accepted."""

    DECLINED = 1
    TIMED_OUT = 2
    RESCINDED = 3
    TAKEN_ELSEWHERE = 4
    UNREACHABLE = 5
    CALLER_GAVE_UP = 6
    CANCELLED = 7

    @property
    def refused(self) -> bool:
        """Did the agent not take it: for a while it is not offered to them again."""
        return self in {OfferEnd.DECLINED, OfferEnd.TIMED_OUT, OfferEnd.UNREACHABLE}


class Reason(StrEnum):
    """Why a command was refused. Part of the API: never renamed."""

    DONE = ""
    TASK_NOT_FOUND = "TASK_NOT_FOUND"
    OFFER_NOT_YOURS = "OFFER_NOT_YOURS"
    TASK_ALREADY_ASSIGNED = "TASK_ALREADY_ASSIGNED"
    TASK_NOT_ASSIGNED = "TASK_NOT_ASSIGNED"
    TASK_NOT_YOURS = "TASK_NOT_YOURS"
    TASK_NOT_IN_YOUR_QUEUES = "TASK_NOT_IN_YOUR_QUEUES"
    ASSIGNEE_NOT_IN_QUEUE = "ASSIGNEE_NOT_IN_QUEUE"
    ASSIGNEE_NOT_CONNECTED = "ASSIGNEE_NOT_CONNECTED"
    ASSIGNEE_AT_CAPACITY = "ASSIGNEE_AT_CAPACITY"
    TASK_NOT_IN_AFTER_SERVICE = "TASK_NOT_IN_AFTER_SERVICE"
    AFTER_SERVICE_NOT_EXTENDABLE = "AFTER_SERVICE_NOT_EXTENDABLE"
    ASSIGNEE_CANNOT_TAKE_CHANNEL = "ASSIGNEE_CANNOT_TAKE_CHANNEL"
    TASK_IN_AFTER_SERVICE = "TASK_IN_AFTER_SERVICE"
    QUEUE_NOT_FOUND = "QUEUE_NOT_FOUND"
    QUEUE_NOT_YOURS = "QUEUE_NOT_YOURS"
    GROUP_NOT_FOUND = "GROUP_NOT_FOUND"
    GROUP_NOT_YOURS = "GROUP_NOT_YOURS"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    PUT_MEANWHILE = "PUT_MEANWHILE"


class Action(IntEnum):
    """What somebody with authority did. Numbers of the proto."""

    QUEUE_OPENED = 1
    QUEUE_PAUSED = 2
    QUEUE_DRAINED = 3
    TASKS_MOVED = 4
    TASK_TAKEN_BACK = 5
    TASK_CANCELLED = 6
    TASK_COMPLETED = 7
    AFTER_SERVICE_FINISHED = 8
    QUEUE_REMOVED = 9
    GROUP_REMOVED = 10


@value
class QueueSet:
    queue: QueueConfigured


@value
class GroupSet:
    group: GroupConfigured


@value
class Vacated:
    """What is held in a queue or at a group, and what comes there, is of another queue from now on.

    Until it is set with a newer version, unless that is its removal.
    """

    tenant_id: str
    queue_id: str
    group_id: str
    version: int
    target_queue_id: str


@value
class OpeningsSet:
    openings: OpeningsForeseen


@value
class QueueTurned:
    """A queue with business hours is open or closed now, until `turns_at` (0: for good)."""

    tenant_id: str
    queue_id: str
    is_open: bool
    turns_at: int


@value
class QueueModeSet:
    tenant_id: str
    queue_id: str
    mode: QueueMode


@value
class AgentSet:
    agent: AgentConfigured


@value
class TenantSet:
    tenant: TenantConfigured


@value
class PresenceSet:
    presence: PresenceObserved


@value
class Queued:
    """The task waits, with its original age, and is not offered to the excluded."""

    task: TaskSubmitted
    revision: int
    excluded: tuple[str, ...] = ()
    kept_for: str = ""
    """The one agent who may get it until then. Empty: everybody may."""
    kept_until: int = 0


@value
class Widened:
    """More agents may get a waiting task: it needs less now, or is kept for nobody any more."""

    tenant_id: str
    task_id: str
    relaxed: int
    """Steps of its queue's relaxation that it has come to."""
    kept_for: str = ""


@value
class PauseOver:
    """The pause after an agent's refusals is over: these tasks may ring at them again."""

    tenant_id: str
    agent_id: str
    task_ids: tuple[str, ...]


@value
class RefusalsForgotten:
    """An agent who receives chose Ready again: what they refused is as if it never rang."""

    tenant_id: str
    agent_id: str


@value
class Offered:
    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    agent_id: str
    expires_at: int
    group_id: str = ""
    also_ringing: tuple[str, ...] = ()
    """At whom else it rings, by id."""
    channel: Channel = Channel.CHAT


@value
class OfferClosed:
    """The offer is over; what becomes of the task follows in the same step, or it rings on."""

    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    agent_id: str
    end: OfferEnd
    also_ringing: tuple[str, ...] = ()
    """At whom it still rings, by id."""
    expires_at: int = 0
    """When the first of these rings out."""
    channel: Channel = Channel.CHAT


@value
class Assigned:
    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    agent_id: str
    assigned_by: str = ""
    channel: Channel = Channel.CHAT


@value
class AfterServiceStarted:
    """The work is over; its agent finishes it until `ends_at` (0: until they say so)."""

    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    agent_id: str
    ends_at: int = 0
    channel: Channel = Channel.CHAT


@value
class Completed:
    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    agent_id: str
    forced: bool = False
    channel: Channel = Channel.CHAT


@value
class Overflowed:
    """The task leaves its queue; where to is the next decision of the same step."""

    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    cause: OverflowCause
    overflow: Overflow


@value
class Cancelled:
    tenant_id: str
    task_id: str
    queue_id: str
    revision: int
    message: str = ""
    """What the customer is told."""


@value
class Acted:
    """Somebody with authority changed the course of work; kept as an audit entry."""

    tenant_id: str
    actor_id: str
    action: Action
    at: int
    queue_id: str
    task_id: str = ""
    agent_id: str = ""
    target_queue_id: str = ""
    tasks: int = 0
    group_id: str = ""
    """Of a group that was removed."""


@value
class Answered:
    """The outcome of a command; kept for a while so that its repetition is answered alike."""

    tenant_id: str
    request_id: str
    reason: Reason
    reply_to: str
    count: int = 0
    """Of tasks that were moved."""
    fingerprint: bytes = b""
    """Of the command. Empty: unknown, so that whatever comes under its id is taken for it."""

    @property
    def kept(self) -> bool:
        """Is this what a repetition is told; not what was told to another command of that id."""
        return bool(self.request_id) and self.reason is not Reason.REQUEST_ID_REUSED


Decision = (
    QueueSet
    | QueueModeSet
    | GroupSet
    | Vacated
    | OpeningsSet
    | QueueTurned
    | AgentSet
    | TenantSet
    | PresenceSet
    | Queued
    | Widened
    | PauseOver
    | RefusalsForgotten
    | Offered
    | OfferClosed
    | Assigned
    | AfterServiceStarted
    | Completed
    | Overflowed
    | Cancelled
    | Acted
    | Answered
)
