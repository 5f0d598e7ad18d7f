"""What a queue wants done with its tasks as time goes by."""

from enum import IntEnum

from .value import value


class OverflowTo(IntEnum):
    """What kind of place a task goes to."""

    END = 0
    QUEUE = 1
    GROUP = 2
    MESSAGE = 3
    VOICEMAIL = 4


@value
class Overflow:
    """Where a task goes that cannot stay. `what`: the queue, the group or the words."""

    to: OverflowTo = OverflowTo.END
    what: str = ""


class OverflowCause(IntEnum):
    """Why a task could not stay. Numbers of the proto."""

    WAITED_TOO_LONG = 1
    QUEUE_FULL = 2
    NOBODY_THERE = 3
    CLOSED_HOURS = 4
    QUEUE_DRAINING = 5


@value
class Span:
    """A stretch of a day in local time: weekday 1 to 7 from Monday, minutes since midnight."""

    weekday: int
    opens: int
    closes: int


@value
class BusinessHours:
    """When a queue is served. No `weekly` spans: always, but for the exceptions.

    A date of `exceptions` (as 2026-12-25) stands for itself alone.
    """

    time_zone: str
    weekly: tuple[Span, ...] = ()
    exceptions: tuple[tuple[str, tuple[Span, ...]], ...] = ()
    overflow: Overflow | None = None
    """Where to outside. None: the queue's."""


class AfterServiceMode(IntEnum):
    """Whether the after-service ends by itself. Numbers of the proto."""

    OFF = 0
    UNLIMITED = 1
    LIMITED = 2


@value
class AfterService:
    """What an agent does when the work is over. No extension (0): none can be had."""

    mode: AfterServiceMode = AfterServiceMode.OFF
    limit_ms: int = 0
    extension_ms: int = 0


class OnAgentLost(IntEnum):
    """What becomes of held work when its agent is lost. Numbers of the proto."""

    HOLD = 1
    REQUEUE = 2


@value
class Policy:
    """No limit is 0."""

    max_wait_ms: int = 0
    max_waiting: int = 0
    overflow: Overflow = Overflow()
    overflow_when_nobody: bool = False
    hours: BusinessHours | None = None
    after_service: AfterService = AfterService()
    on_agent_lost: OnAgentLost = OnAgentLost.HOLD

    @property
    def closed(self) -> Overflow:
        """Where tasks go outside business hours."""
        own = None if self.hours is None else self.hours.overflow
        return self.overflow if own is None else own


PATIENT = Policy()
"""Tasks wait for ever, and are done when the work is."""
