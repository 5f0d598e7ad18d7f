"""The command that makes a queue or a group empty, before the directory removes it."""

from .repeatable import Repeatable
from .value import value


@value
class Vacate(Repeatable):
    """Give the work of a queue, or of a group, to another queue.

    `version` is that of its settings as they are when it is marked for its removal.
    """

    tenant_id: str
    queue_id: str
    group_id: str
    version: int
    target_queue_id: str
    actor_id: str
    request_id: str = ""
    reply_to: str = ""
