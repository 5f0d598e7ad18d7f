"""Commands of people: into the input log, and the answer back."""

from collections.abc import Callable
from dataclasses import replace

from services.dispatch.domain.decisions import Answered, Reason
from services.dispatch.domain.errors import Unanswered, refusal
from services.dispatch.domain.inputs import Command, MoveTasks, SetQueueMode
from services.dispatch.domain.vacate import Vacate

from .ports import Directory, Intake, Replies, Unknown

ANSWER_WITHIN_S = 5.0


RESTS_ON_THE_DIRECTORY = {
    Reason.QUEUE_NOT_FOUND,
    Reason.QUEUE_NOT_YOURS,
    Reason.GROUP_NOT_FOUND,
    Reason.GROUP_NOT_YOURS,
    Reason.ASSIGNEE_NOT_IN_QUEUE,
    Reason.ASSIGNEE_AT_CAPACITY,
    Reason.ASSIGNEE_CANNOT_TAKE_CHANNEL,
    Reason.TASK_NOT_IN_YOUR_QUEUES,
    Reason.AFTER_SERVICE_NOT_EXTENDABLE,
}
"""Refusals that what was put a moment ago may have made untrue."""


class Ask:
    """Has the router decide on a command. Repeating one with its request_id changes nothing."""

    def __init__(self, intake: Intake, replies: Replies, directory: Directory) -> None:
        self._intake = intake
        self._replies = replies
        self._directory = directory

    async def __call__(self, command: Callable[[str], Command]) -> Answered:
        """Carry out the command made for a reply_to. Raises Refusal, Unanswered."""
        it, answer = await self._asked(command)
        if answer.reason in RESTS_ON_THE_DIRECTORY:
            await self._directory.tell_news(it.tenant_id)
            # Under an id of its own, or it would be answered as the first time. Also without news:
            # this may be a repetition of what was done under that id, and the answer lost.
            request_id = f"{it.request_id}/again"
            it, answer = await self._asked(lambda to: replace(command(to), request_id=request_id))
        if answer.reason is not Reason.DONE:
            raise refusal(answer.reason, **_what(it))
        return answer

    async def _asked(self, command: Callable[[str], Command]) -> tuple[Command, Answered]:
        with self._replies.expect() as awaited:
            it = command(awaited.reply_to)
            try:
                # No de-duplication on the way in: a repetition must be answered, too.
                await self._intake.append(it, dedup_id="")
            except Unknown as silence:
                raise Unanswered from silence
            answer = await awaited.within(ANSWER_WITHIN_S)
        if answer is None:
            raise Unanswered
        return it, answer


def _what(it: Command) -> dict[str, str]:
    """Name what a command was about."""
    if isinstance(it, SetQueueMode | MoveTasks):
        return {"queue_id": it.queue_id}
    if isinstance(it, Vacate):
        return {"queue_id": it.target_queue_id}
    return {"task_id": it.task_id}
