"""Who is watching, found by what they see, so that a change costs only those it concerns."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from .card import Standing
from .viewer import Viewer

Key = tuple[str, str]


class Watching(Protocol):
    """Somebody with a view."""

    viewer: Viewer


W = TypeVar("W", bound=Watching)


class Audience(Generic[W]):
    """Watchers by user, by queue, and those who see every queue of their tenant."""

    def __init__(self) -> None:
        self._users: defaultdict[Key, set[W]] = defaultdict(set)
        self._queues: defaultdict[Key, set[W]] = defaultdict(set)
        self._everything: defaultdict[str, set[W]] = defaultdict(set)

    def __iter__(self) -> Iterator[W]:
        for watchers in list(self._users.values()):
            yield from list(watchers)

    def add(self, watcher: W) -> None:
        """Index a watcher by its viewer; remove it before the viewer changes."""
        viewer = watcher.viewer
        self._users[viewer.tenant_id, viewer.user_id].add(watcher)
        if viewer.sees_every_queue:
            self._everything[viewer.tenant_id].add(watcher)
        else:
            for queue_id in viewer.queue_ids:
                self._queues[viewer.tenant_id, queue_id].add(watcher)

    def remove(self, watcher: W) -> None:
        viewer = watcher.viewer
        _take(self._users, (viewer.tenant_id, viewer.user_id), watcher)
        _take(self._everything, viewer.tenant_id, watcher)
        for queue_id in viewer.queue_ids:
            _take(self._queues, (viewer.tenant_id, queue_id), watcher)

    def of(self, viewer: Viewer) -> set[W]:
        """The watchers of one user: one for each open window."""
        return set(self._users.get((viewer.tenant_id, viewer.user_id), ()))

    def seeing(self, tenant_id: str, standing: Standing) -> set[W]:
        """Those whose viewer sees a card of this standing: the index of Viewer.sees."""
        found: set[W] = set()
        if standing.unassigned:
            found |= self._everything.get(tenant_id, set())
            found |= self._queues.get((tenant_id, standing.queue_id), set())
        if standing.somebodys:
            for agent_id in standing.agent_ids:
                found |= self._users.get((tenant_id, agent_id), set())
        return found


K = TypeVar("K")


def _take(index: defaultdict[K, set[W]], key: K, watcher: W) -> None:
    if key in index:
        index[key].discard(watcher)
        if not index[key]:
            del index[key]
