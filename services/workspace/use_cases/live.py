"""The live view: fold the stream once, and tell each watcher what concerns them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from services.workspace.domain.audience import Audience
from services.workspace.domain.board import Board
from services.workspace.domain.errors import SlowConsumer
from services.workspace.domain.frames import (
    Alive,
    CardChange,
    Change,
    Frame,
    Gone,
    Shown,
    ViewerChange,
    Whole,
    frame,
)
from services.workspace.domain.history import History
from services.workspace.domain.viewer import Role, Viewer

Monotonic = Callable[[], float]


class Watcher:
    """One open stream of frames. Iterate it; it ends with SlowConsumer when it falls behind."""

    def __init__(self, viewer: Viewer, *, held: int, buffer: int, now: float) -> None:
        self.viewer = viewer
        self.told = held
        self.told_at = now
        self._buffer = buffer
        self._frames: deque[Frame] = deque()
        self._slow = False
        self._wake = asyncio.Event()

    def put(self, told: Frame, now: float) -> None:
        """Queue a frame, unless the client had it from another replica already."""
        if told.position <= self.told and isinstance(told, Shown | Gone):
            return
        if isinstance(told, Whole):
            self._frames.clear()  # it says all that these would have said
        if len(self._frames) >= self._buffer:
            self._frames.clear()
            self._slow = True
        elif not self._slow:
            self._frames.append(told)
        self.told, self.told_at = told.position, now
        self._wake.set()

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames:
                yield self._frames.popleft()
            if self._slow:
                raise SlowConsumer("Read faster, and watch again from your last position.")


class Live:
    """All views of this replica as of `position` of the stream.

    Nothing in here waits, so that a watcher joins between two changes and misses neither.
    """

    def __init__(self, *, replay: int, buffer: int, now: Monotonic) -> None:
        self.replay, self._buffer, self._now = replay, buffer, now
        self._board = Board()
        self._history = History(replay)
        self._audience: Audience[Watcher] = Audience()
        self.position = 0

    @property
    def board(self) -> Board:
        return self._board

    def begin(self, position: int, board: Board) -> None:
        """Start behind a position with a board that may be ahead of it."""
        self._board = board
        self._history = History(self.replay, floor=position)
        self.position = position

    def receive(self, changes: Iterable[Change], position: int) -> None:
        """Take what the stream says, in its order; `position` is that of the last message read."""
        for change in changes:
            self.position = change.position
            self._history.append(change)
            self._board.apply(change)
            match change:
                case CardChange():
                    self._tell(change)
                case ViewerChange():
                    self._renew(change)
        self.position = position

    def watch(self, tenant_id: str, user_id: str, role: Role, held: int) -> Watcher:
        """Open a stream behind the position that the client holds; 0, or too old: from the whole.

        The caller has made sure that the stream has `held`; this replica may not have read it yet.
        """
        viewer = self._board.viewer(tenant_id, user_id, role)
        now = self._now()
        watcher = Watcher(viewer, held=held, buffer=self._buffer, now=now)
        missed = self._missed(viewer, held)
        if missed is None:
            watcher.put(self._board.view(viewer, self.position), now)
        else:
            # Without anything missed, a sign of life tells the client that it is up to date.
            for one in missed or [Alive(max(self.position, held))]:
                watcher.put(one, now)
        self._audience.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._audience.remove(watcher)

    def beat(self, quiet: float) -> None:
        """Send a sign of life to whoever has heard nothing for `quiet` seconds."""
        now = self._now()
        for watcher in self._audience:
            if now - watcher.told_at >= quiet:
                watcher.put(Alive(max(self.position, watcher.told)), now)

    def _missed(self, viewer: Viewer, held: int) -> Sequence[Frame] | None:
        if held == 0 or held < self._history.floor:
            return None
        frames: list[Frame] = []
        for change in self._history.since(held, viewer.tenant_id):
            if isinstance(change, ViewerChange):
                if change.viewer.user_id == viewer.user_id:
                    return None  # the view was another one
            elif told := frame(change, viewer):
                frames.append(told)
        return frames if len(frames) < self._buffer else None

    def _tell(self, change: CardChange) -> None:
        now, card = self._now(), change.card
        seeing = self._audience.seeing(card.tenant_id, card.standing)
        if seeing:
            shown = Shown(change.position, card)
            for watcher in seeing:
                watcher.put(shown, now)
        if change.before is None:
            return
        losing = self._audience.seeing(card.tenant_id, change.before) - seeing
        if losing:
            gone = Gone(change.position, card.conversation_id, card.closed_by)
            for watcher in losing:
                watcher.put(gone, now)

    def _renew(self, change: ViewerChange) -> None:
        now, viewer = (
            self._now(),
            self._board.viewer(change.viewer.tenant_id, change.viewer.user_id, change.viewer.role),
        )
        for watcher in self._audience.of(viewer):
            self._audience.remove(watcher)
            watcher.viewer = viewer
            self._audience.add(watcher)
            if change.position > watcher.told:
                watcher.put(self._board.view(viewer, change.position), now)
