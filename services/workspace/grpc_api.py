"""WorkspaceService over gRPC: translate, delegate, translate back."""

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import lru_cache
from typing import Any

from centralita.workspace.v1.resources_pb2 import Card as CardMessage
from centralita.workspace.v1.workspace_service_pb2 import (
    Alive as AliveMessage,
)
from centralita.workspace.v1.workspace_service_pb2 import (
    ListCardsRequest,
    ListCardsResponse,
    Order,
    Snapshot,
    WatchRequest,
    WatchResponse,
)
from centralita.workspace.v1.workspace_service_pb2 import Tab as TabMessage
from centralita.workspace.v1.workspace_service_pb2_grpc import WorkspaceServiceServicer
from grpc import StatusCode
from grpc.aio import ServicerContext

from services.kernel.identity import caller

from .domain import errors
from .domain.card import Card
from .domain.frames import Alive, Frame, Gone, Shown, Whole
from .domain.viewer import Role
from .messages import from_card
from .use_cases.list_cards import ListCards, Tab
from .use_cases.live import Live
from .use_cases.watch import Watch

CODES: Mapping[type[Exception], StatusCode] = {
    errors.TabMissing: StatusCode.INVALID_ARGUMENT,
    errors.PageSizeInvalid: StatusCode.INVALID_ARGUMENT,
    errors.PageTokenInvalid: StatusCode.INVALID_ARGUMENT,
    errors.SlowConsumer: StatusCode.RESOURCE_EXHAUSTED,
}

TABS = {
    TabMessage.TAB_ASSIGNED_TO_ME: Tab.ASSIGNED_TO_ME,
    TabMessage.TAB_UNASSIGNED: Tab.UNASSIGNED,
}

CARDS_IN_A_FRAME = 5_000
"""Below the 4 MiB of a message with room to spare: a card takes some 200 bytes."""

Context = ServicerContext[Any, Any]


class WorkspaceApi(WorkspaceServiceServicer):
    def __init__(self, list_cards: ListCards, watch: Watch, live: Live) -> None:
        self._list_cards = list_cards
        self._watch = watch
        self._live = live
        # A change is shown to many: dress its card once.
        self._dressed = lru_cache(maxsize=1024)(_dressed)

    async def ListCards(self, request: ListCardsRequest, context: Context) -> ListCardsResponse:
        found, next_page_token = self._list_cards(
            _viewer(),
            TABS.get(request.tab),
            newest_first=request.order != Order.ORDER_OLDEST_FIRST,
            size=request.page_size,
            page_token=request.page_token,
        )
        return ListCardsResponse(cards=map(from_card, found.cards), next_page_token=next_page_token)

    async def Watch(self, request: WatchRequest, context: Context) -> AsyncIterator[WatchResponse]:
        watcher = await self._watch(*_viewer(), request.position)
        previous = request.position
        try:
            async for frame in watcher:
                for response in self._responses(frame, previous):
                    yield response
                previous = frame.position
        finally:
            self._live.leave(watcher)

    def _responses(self, frame: Frame, previous: int) -> Iterator[WatchResponse]:
        at = frame.position
        match frame:
            case Shown(card=card):
                shown = self._dressed(_Once(card))
                yield WatchResponse(position=at, previous_position=previous, card=shown)
            case Gone(conversation_id=gone, closed_by=closed_by):
                yield WatchResponse(
                    position=at,
                    previous_position=previous,
                    removed_conversation_id=gone,
                    closed_by=closed_by,
                )
            case Alive():
                yield WatchResponse(position=at, previous_position=previous, alive=AliveMessage())
            case Whole(cards=cards):
                yield from _snapshot(at, cards)


class _Once:
    """A card as the key of a cache: one revision of one card looks one way."""

    __slots__ = ("_key", "card")

    def __init__(self, card: Card) -> None:
        self.card = card
        self._key = (card.tenant_id, card.conversation_id, card.revision)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and self._key == other._key


def _dressed(once: _Once) -> CardMessage:
    return from_card(once.card)


def _snapshot(position: int, cards: tuple[Card, ...]) -> Iterator[WatchResponse]:
    """Cut a very large view; only its last part has a position, so that half a view is none."""
    for start in range(0, max(len(cards), 1), CARDS_IN_A_FRAME):
        part = cards[start : start + CARDS_IN_A_FRAME]
        more = start + CARDS_IN_A_FRAME < len(cards)
        yield WatchResponse(
            position=0 if more else position,
            snapshot=Snapshot(cards=map(from_card, part), more=more),
        )


def _viewer() -> tuple[str, str, Role]:
    who = caller()
    return who.tenant_id, who.user_id, Role(who.role)
