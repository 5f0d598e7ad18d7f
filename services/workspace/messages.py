"""The wire shape of cards and of the events of our own stream."""

from collections.abc import Mapping
from datetime import UTC, datetime

from centralita.workspace.v1.events_pb2 import CardChanged, ViewerChanged
from centralita.workspace.v1.resources_pb2 import Card as CardMessage
from centralita.workspace.v1.resources_pb2 import Standing as StandingMessage
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.wire import parsed
from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.frames import CardChange, Change, ViewerChange
from services.workspace.domain.viewer import Role, Viewer

CARD_CHANGED = "workspace.v1.card.changed"
VIEWER_CHANGED = "workspace.v1.viewer.changed"


def card_changed(card: Card, before: Standing | None) -> CardChanged:
    event = CardChanged(tenant_id=card.tenant_id, card=from_card(card))
    if before is not None:
        event.before.CopyFrom(_from_standing(before))
    return event


def viewer_changed(viewer: Viewer) -> ViewerChanged:
    return ViewerChanged(
        tenant_id=viewer.tenant_id,
        user_id=viewer.user_id,
        version=viewer.version,
        role=viewer.role.value,  # type: ignore[arg-type] # the same numbers
        queue_ids=sorted(viewer.queue_ids),
    )


def change(position: int, subject: str, data: bytes, headers: Mapping[str, str]) -> Change | None:
    """Read one message of the WORKSPACE stream; None for a kind that is not of the view."""
    kind = subject.split(".", 2)[2]
    if kind == CARD_CHANGED:
        told = parsed(CardChanged, data, headers)
        before = to_standing(told.before) if told.HasField("before") else None
        return CardChange(position, to_card(told.tenant_id, told.card), before)
    if kind == VIEWER_CHANGED:
        seen = parsed(ViewerChanged, data, headers)
        queues = frozenset(seen.queue_ids)
        viewer = Viewer(seen.tenant_id, seen.user_id, Role(seen.role), queues, seen.version)
        return ViewerChange(position, viewer)
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
    )


def to_card(tenant_id: str, card: CardMessage) -> Card:
    def at(field: str) -> datetime | None:
        return moment(getattr(card, field)) if card.HasField(field) else None  # type: ignore[arg-type] # one of the three below

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
    )


def to_standing(it: StandingMessage) -> Standing:
    return Standing(CardState(it.state), it.queue_id, it.agent_id)


def moment(stamp: Timestamp) -> datetime:
    """Read a timestamp in whole milliseconds, as the store keeps it."""
    at = stamp.ToDatetime(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _from_standing(it: Standing) -> StandingMessage:
    return StandingMessage(
        state=it.state.value,  # type: ignore[arg-type] # the same numbers
        queue_id=it.queue_id,
        agent_id=it.agent_id,
    )


def _stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
