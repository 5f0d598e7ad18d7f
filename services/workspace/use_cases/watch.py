"""Open a stream of frames for one caller."""

from typing import Protocol

from services.workspace.domain.viewer import Role

from .live import Live, Watcher


class Stream(Protocol):
    async def last(self) -> int:
        """Return the position of the last event of the stream; asked of its leader."""
        ...


class Watch:
    """Resume where the client is, or begin with the whole view."""

    def __init__(self, live: Live, stream: Stream) -> None:
        self._live = live
        self._stream = stream

    async def __call__(self, tenant_id: str, user_id: str, role: Role, position: int) -> Watcher:
        if position > self._live.position and position > await self._stream.last():
            position = 0  # of a stream that is no more: a restored backup, another installation
        return self._live.watch(tenant_id, user_id, role, position)
