"""Follow who sees what."""

from typing import Protocol

from services.kernel.again import again_if
from services.workspace.domain.errors import Stale
from services.workspace.domain.viewer import Viewer


class Viewers(Protocol):
    async def read(self, tenant_id: str, user_id: str) -> Viewer | None: ...

    async def save(self, before: Viewer | None, after: Viewer) -> None:
        """Tell `after` if nothing was told since `before`, or raise Stale."""
        ...


class FollowUser:
    """A user's role or queues changed: their view changes at a position of our own stream.

    Because the change is an event between the cards' events, a client that was away when it
    happened is told as surely as one that was not.
    """

    def __init__(self, viewers: Viewers) -> None:
        self._viewers = viewers

    @again_if(Stale)
    async def __call__(self, user: Viewer) -> None:
        known = await self._viewers.read(user.tenant_id, user.user_id)
        if known is not None and known.version >= user.version:
            return
        # The directory also tells of what no view depends on; that is not worth a new snapshot.
        if known is None or (known.role, known.queue_ids) != (user.role, user.queue_ids):
            await self._viewers.save(known, user)
