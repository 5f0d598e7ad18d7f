"""Commands of people: into the input log, and the answer back."""

from collections.abc import Callable

from services.dispatch.domain.decisions import Answered, Reason
from services.dispatch.domain.errors import Unanswered, refusal
from services.dispatch.domain.inputs import Command, MoveTasks, SetQueueMode

from .ports import Intake, Replies, Unknown

ANSWER_WITHIN_S = 5.0


class Ask:
    """Has the router decide on a command. Repeating one with its request_id changes nothing."""

    def __init__(self, intake: Intake, replies: Replies) -> None:
        self._intake = intake
        self._replies = replies

    async def __call__(self, command: Callable[[str], Command]) -> Answered:
        """Carry out the command made for a reply_to. Raises Refusal, Unanswered."""
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
        if answer.reason is not Reason.DONE:
            raise refusal(answer.reason, **_what(it))
        return answer


def _what(it: Command) -> dict[str, str]:
    """Name what a command was about."""
    if isinstance(it, SetQueueMode | MoveTasks):
        return {"queue_id": it.queue_id}
    return {"task_id": it.task_id}
