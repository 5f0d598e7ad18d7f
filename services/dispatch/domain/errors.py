"""What the router refuses to do, as its callers hear it."""

from collections.abc import Mapping

from .decisions import Reason


class Refusal(Exception):
    """A rule said no. `reason` and `details` are public API; the sentence may change."""

    def __init__(self, reason: str, sentence: str, **details: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.details: Mapping[str, str] = details


class NotFound(Refusal):
    """There is no such task, queue or group."""


class NotAllowed(Refusal):
    """The caller may not do this."""


class NotNow(Refusal):
    """The task or the agent is not in a state for this."""


class Invalid(Refusal):
    """The request itself is wrong."""


class Reused(Refusal):
    """Another command was answered under its request_id."""


class Unanswered(Exception):
    """The command may have been carried out or not: repeat it with the same request_id."""

    reason = "OUTCOME_UNKNOWN"

    def __init__(self) -> None:
        super().__init__(
            "The router did not answer in time; repeat the call with the same request_id."
        )
        self.details: Mapping[str, str] = {}


class Busy(Refusal):
    """As much of this is under way as may be."""


class TooLong(Exception):
    """An explanation needs more reading than anybody should wait for."""

    reason = "EXPLANATION_TOO_LONG"
    sentence = "Too much is to be read; ask about something nearer, or try again later."

    def __init__(self) -> None:
        super().__init__(self.sentence)
        self.details: Mapping[str, str] = {}


class SimulationTooLong(TooLong):
    """A simulation needs more time, or memory, than a caller may take."""

    reason = "SIMULATION_TOO_LONG"
    sentence = "The simulation took too long; ask for fewer calls, agents or runs."


_SENTENCES: dict[Reason, tuple[type[Refusal], str]] = {
    Reason.TASK_NOT_FOUND: (NotFound, "There is no such task; look at the list again."),
    Reason.OFFER_NOT_YOURS: (
        NotNow,
        "This task does not ring at you any more; wait for the next offer.",
    ),
    Reason.TASK_ALREADY_ASSIGNED: (NotNow, "Somebody holds this task; look at the list again."),
    Reason.TASK_NOT_ASSIGNED: (NotNow, "Nobody holds this task; accept or assign it first."),
    Reason.TASK_NOT_YOURS: (NotNow, "Somebody else holds this task; ask them or a supervisor."),
    Reason.TASK_NOT_IN_YOUR_QUEUES: (
        NotAllowed,
        "This task waits in a queue you do not answer; ask a manager.",
    ),
    Reason.ASSIGNEE_NOT_IN_QUEUE: (
        NotNow,
        "This user does not answer the task's queue; choose somebody who does.",
    ),
    Reason.ASSIGNEE_NOT_CONNECTED: (
        NotNow,
        "This user is offline; choose somebody who is there.",
    ),
    Reason.ASSIGNEE_CANNOT_TAKE_CHANNEL: (
        NotNow,
        "This user does not work on this kind of task; choose somebody who does.",
    ),
    Reason.ASSIGNEE_AT_CAPACITY: (
        NotNow,
        "This user can hold no more; end something first or choose somebody else.",
    ),
    Reason.TASK_NOT_IN_AFTER_SERVICE: (
        NotNow,
        "This task has no after-service to end or extend; look at the list again.",
    ),
    Reason.AFTER_SERVICE_NOT_EXTENDABLE: (
        NotNow,
        "This queue grants no more time, or its after-service has no limit; finish when done.",
    ),
    Reason.TASK_IN_AFTER_SERVICE: (
        NotNow,
        "The work on this task is over; end its after-service instead.",
    ),
    Reason.QUEUE_NOT_FOUND: (NotFound, "There is no such queue; look at the list again."),
    Reason.QUEUE_NOT_YOURS: (
        NotAllowed,
        "You do not supervise this queue; ask a supervisor who belongs to it, or a manager.",
    ),
    Reason.GROUP_NOT_FOUND: (NotFound, "There is no such group; look at the list again."),
    Reason.GROUP_NOT_YOURS: (
        NotAllowed,
        "You do not belong to this group; ask a supervisor who does, or a manager.",
    ),
    Reason.REQUEST_ID_REUSED: (
        Reused,
        "Something else was asked under this request_id. Make a new one for each request.",
    ),
    Reason.PUT_MEANWHILE: (
        NotNow,
        "It was put again since its removal began; read it, and begin the removal anew.",
    ),
}


def refusal(reason: Reason, **details: str) -> Refusal:
    """Return the refusal that a reason stands for."""
    kind, sentence = _SENTENCES[reason]
    return kind(reason, sentence, **details)
