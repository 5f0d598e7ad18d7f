"""What of our state the bus has now."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing

from centralita.directory.v1.events_pb2 import (
    ChannelAccountChanged,
    GroupChanged,
    PresencePolicyChanged,
    QueueChanged,
    UserChanged,
)

from services.kernel.bus import Bus
from services.kernel.tail import tail
from services.kernel.wire import filter_for, parsed

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
        async with aclosing(states) as batches:
            async for batch in batches:
                for it in batch:
                    kind = _KINDS[it.headers["ce-type"]]
                    versions[it.subject] = parsed(kind, it.data, it.headers).version
                if not batch or batch[-1].pending == 0:
                    break
        return versions
