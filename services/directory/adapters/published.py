"""What of our state the bus has now."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial

from centralita.directory.v1.events_pb2 import (
    ChannelAccountChanged,
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)

from services.kernel.bus import Bus
from services.kernel.tail import Tailed, tail, until_now
from services.kernel.unreadable import understood
from services.kernel.wire import event_in, filter_for

STREAM = "DIRECTORY"
_State = UserChanged | QueueChanged | GroupChanged | ChannelAccountChanged | PresencePolicyChanged
_KINDS: Mapping[str, type[_State]] = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        UserChanged,
        QueueChanged,
        GroupChanged,
        ChannelAccountChanged,
        PresencePolicyChanged,
    )
}


class PublishedStates:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def versions(self) -> Mapping[str, int]:
        """Read the last state of every subject once."""
        subjects: Sequence[str] = [filter_for(kind) for kind in _KINDS.values()]
        versions: dict[str, int] = {}
        states = tail(self._bus, STREAM, subjects=subjects, last_per_subject=True)
        async with aclosing(until_now(states)) as batches:
            async for batch in batches:
                for it in batch:
                    version = understood(STREAM, partial(_version, it), sequence=it.sequence)
                    versions[it.subject] = version or 0  # then it is told again
        return versions


def _version(it: Tailed) -> int:
    kind = _KINDS[it.headers["ce-type"]]
    return event_in(kind, it.subject, it.data, it.headers).version
