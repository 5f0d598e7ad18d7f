"""The wire shape of cards and of the events of our own stream."""

from collections.abc import Mapping
from datetime import UTC, datetime

from centralita.directory.v1.events_pb2 import UserChanged
from centralita.workspace.v1.events_pb2 import CardChanged, ViewerChanged
from centralita.workspace.v1.events_pb2 import Sources as SourcesMessage
from centralita.workspace.v1.resources_pb2 import Card as CardMessage
from centralita.workspace.v1.resources_pb2 import Standing as StandingMessage
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.wire import parsed
from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.frames import CardChange, Change, ViewerChange
from services.workspace.domain.sources import Opening, Routed, Sources
from services.workspace.domain.viewer import Role, Viewer

CARD_CHANGED = "workspace.v1.card.changed."
VIEWER_CHANGED = "workspace.v1.viewer.changed."


def card_changed(told: Sources, before: Standing | None) -> CardChanged:
    event = CardChanged(
        tenant_id=told.tenant_id,
        conversation_id=told.conversation_id,
        card=from_card(told.card),
        sources=SourcesMessage(
            opened_in_queue_id=told.opening.queue_id if told.opening else "",
            routed_revision=told.routed.revision,
            routed=_from_standing(told.routed.standing),
            offer_expires_at=_stamp(told.routed.until),
            ended=told.ended,
            ended_by=told.ended_by,
            routed_ended_by=told.routed.ended_by,
        ),
    )
    if before is not None:
        event.before.CopyFrom(_from_standing(before))
    return event


def to_sources(position: int, data: bytes, headers: Mapping[str, str]) -> Sources:
    """Read back what the card at `position` was folded from."""
    event = parsed(CardChanged, data, headers)
    card, rest = to_card(event.tenant_id, event.card), event.sources
    opening = None
    if card.opened_at is not None and rest.opened_in_queue_id:
        opening = Opening(
            card.contact_id,
            card.channel,
            card.channel_account_id,
            rest.opened_in_queue_id,
            card.opened_at,
        )
    expires_at = moment(rest.offer_expires_at) if rest.HasField("offer_expires_at") else None
    return Sources(
        card.tenant_id,
        card.conversation_id,
        opening=opening,
        routed=Routed(
            rest.routed_revision,
            to_standing(rest.routed),
            expires_at,
            ended_by=rest.routed_ended_by,
        ),
        message_count=card.message_count,
        last_message_at=card.last_message_at,
        waits_since=None if opening else card.opened_at,
        ended=rest.ended,
        ended_by=rest.ended_by,
        revision=card.revision,
        position=position,
    )


def viewer_changed(viewer: Viewer) -> ViewerChanged:
    return ViewerChanged(
        tenant_id=viewer.tenant_id,
        user_id=viewer.user_id,
        version=viewer.version,
        role=viewer.role.value,  # type: ignore[arg-type] # the same numbers
        queue_ids=sorted(viewer.queue_ids),
    )


def to_viewer(position: int, data: bytes, headers: Mapping[str, str]) -> Viewer:
    return _viewer(parsed(ViewerChanged, data, headers), position)


def user(event: UserChanged) -> Viewer:
    """Read a user as the directory tells of them."""
    return _viewer(event, 0)


def _viewer(told: UserChanged | ViewerChanged, position: int) -> Viewer:
    queues = frozenset(told.queue_ids)
    return Viewer(told.tenant_id, told.user_id, Role(told.role), queues, told.version, position)


def change(subject: str, position: int, data: bytes, headers: Mapping[str, str]) -> Change | None:
    """Read one message of the WORKSPACE stream; None for a kind that is not of the view."""
    kind = subject.split(".", 2)[2]
    if kind.startswith(CARD_CHANGED):
        told = parsed(CardChanged, data, headers)
        before = to_standing(told.before) if told.HasField("before") else None
        return CardChange(position, to_card(told.tenant_id, told.card), before)
    if kind.startswith(VIEWER_CHANGED):
        return ViewerChange(position, to_viewer(position, data, headers))
    return None


def from_card(card: Card) -> CardMessage:
    return CardMessage(
        conversation_id=card.conversation_id,
        standing=_from_standing(card.standing),
        contact_id=card.contact_id,
        channel=card.channel,  # type: ignore[arg-type] # open enum: a number we were given
        channel_account_id=card.channel_account_id,
        opened_at=_stamp(card.opened_at),
        offer_expires_at=_stamp(card.offer_expires_at),
        message_count=card.message_count,
        last_message_at=_stamp(card.last_message_at),
        revision=card.revision,
        after_service_ends_at=_stamp(card.after_service_ends_at),
        closed_by=card.closed_by,
    )


def to_card(tenant_id: str, card: CardMessage) -> Card:
    def at(field: str) -> datetime | None:
        return moment(getattr(card, field)) if card.HasField(field) else None  # type: ignore[arg-type] # one of those below

    return Card(
        tenant_id,
        card.conversation_id,
        to_standing(card.standing),
        contact_id=card.contact_id,
        channel=card.channel,
        channel_account_id=card.channel_account_id,
        opened_at=at("opened_at"),
        offer_expires_at=at("offer_expires_at"),
        message_count=card.message_count,
        last_message_at=at("last_message_at"),
        revision=card.revision,
        after_service_ends_at=at("after_service_ends_at"),
        closed_by=card.closed_by,
    )


def to_standing(it: StandingMessage) -> Standing:
    also_ringing = tuple(it.also_ringing_agent_ids)
    return Standing(CardState(it.state), it.queue_id, it.agent_id, also_ringing)


def moment(stamp: Timestamp) -> datetime:
    """Read a timestamp in whole milliseconds, as the store keeps it."""
    at = stamp.ToDatetime(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _from_standing(it: Standing) -> StandingMessage:
    return StandingMessage(
        state=it.state.value,  # type: ignore[arg-type] # the same numbers
        queue_id=it.queue_id,
        agent_id=it.agent_id,
        also_ringing_agent_ids=it.also_ringing,
    )


def _stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
