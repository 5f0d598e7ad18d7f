"""What becomes of a reply, decided without a clock or a socket."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.delivery import (
    GIVE_UP_AFTER,
    KEEP_ORDER_FOR,
    Delivery,
    Fate,
    Final,
    Reply,
    Retry,
    Sent,
    Status,
)
from services.ingestion.domain.errors import ChannelAccountNotFound
from services.ingestion.domain.gate import Gate
from services.ingestion.domain.message import InboundMessage
from services.ingestion.use_cases import DeliverReply, Envelope
from services.ingestion.use_cases.connector import Capabilities

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SHOP = ChannelAccount("acme", "shop", Channel.CUSTOM, "sales", ("s",))
FIRST = Reply("acme", "c-1", "m-1", Channel.CUSTOM, "shop", "+1555", "hi", NINE, 1)
SECOND = replace(FIRST, message_id="m-2", position=2)


class World:
    """Ports, the channel and the clock in memory."""

    capabilities = Capabilities(max_text=10)

    def __init__(self) -> None:
        self.now = NINE
        self.accounts = {SHOP.key: SHOP}
        self.answers: list[Exception] = []
        self.sent: list[str] = []
        self.known: dict[str, Delivery] = {}
        self.noted_slowly = ""
        self.fates: list[Fate] = []

    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        try:
            return self.accounts[tenant_id, channel_account_id]
        except KeyError:
            raise ChannelAccountNotFound from None

    def verify(self, envelope: Envelope, account: ChannelAccount, now: datetime) -> str:
        raise AssertionError

    def parse(self, envelope: Envelope, speaker: str, now: datetime) -> InboundMessage:
        raise AssertionError

    async def send(self, account: ChannelAccount, reply: Reply) -> Sent:
        if self.answers:
            raise self.answers.pop(0)
        self.sent.append(reply.message_id)
        return Sent()

    async def begin(self, reply: Reply, now: datetime) -> Delivery:
        if reply.message_id == self.noted_slowly:
            for _ in range(20):  # turns of the loop, enough for another reply to be sent in them
                await asyncio.sleep(0)
        new = Delivery(
            reply.tenant_id,
            reply.conversation_id,
            reply.message_id,
            reply.channel_account_id,
            now,
            position=reply.position,
        )
        return self.known.setdefault(reply.message_id, new)

    async def is_behind(self, delivery: Delivery, since: datetime) -> bool:
        return any(
            other.conversation_id == delivery.conversation_id
            and other.status is Status.PENDING
            and other.began_at > since
            and other.position < delivery.position
            for other in self.known.values()
        )

    async def tried(self, reply: Reply) -> None:
        delivery = self.known[reply.message_id]
        self.known[reply.message_id] = replace(delivery, attempts=delivery.attempts + 1)

    async def settle(self, reply: Reply, status: Status, cause: str) -> None:
        delivery = self.known[reply.message_id]
        self.known[reply.message_id] = replace(delivery, status=status, cause=cause)

    async def tell(self, fate: Fate) -> None:
        self.fates.append(fate)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def deliver(world: World) -> DeliverReply:
    return DeliverReply(
        accounts=world,
        connectors={Channel.CUSTOM: world},
        deliveries=world,
        fates=world,
        clock=lambda: world.now,
        gate=Gate(most=2),
    )


async def test_a_reply_is_sent_once_and_told_as_often_as_asked(
    deliver: DeliverReply, world: World
) -> None:
    assert await deliver(FIRST) is None
    assert await deliver(FIRST) is None
    assert world.sent == ["m-1"]
    assert world.fates == [Fate("acme", "c-1", "m-1", Status.SENT)] * 2


async def test_failures_put_it_off_ever_longer_until_it_is_sent(
    deliver: DeliverReply, world: World
) -> None:
    world.answers = [Retry("CHANNEL_ERROR") for _ in range(3)]
    waits = [await deliver(FIRST) for _ in range(4)]
    assert waits == [*(timedelta(seconds=s) for s in (1, 2, 4)), None]
    assert [fate.status for fate in world.fates] == [Status.SENT]


async def test_after_a_day_of_failures_it_has_failed_with_the_last_cause(
    deliver: DeliverReply, world: World
) -> None:
    world.answers = [Retry("CHANNEL_ERROR"), Retry("CHANNEL_TIMEOUT")]
    assert await deliver(FIRST)
    world.now += GIVE_UP_AFTER
    assert await deliver(FIRST) is None
    assert world.fates == [Fate("acme", "c-1", "m-1", Status.FAILED, "CHANNEL_TIMEOUT")]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (FIRST, "REFUSED_BY_CHANNEL"),
        (replace(FIRST, channel_account_id="gone"), "CHANNEL_ACCOUNT_NOT_FOUND"),
        (replace(FIRST, channel=Channel.WEBCHAT), "CHANNEL_ACCOUNT_NOT_FOUND"),
        (replace(FIRST, text="x" * 11), "TEXT_TOO_LONG"),
    ],
)
async def test_what_can_never_be_sent_has_failed_with_its_cause(
    deliver: DeliverReply, world: World, reply: Reply, cause: str
) -> None:
    world.answers = [Final("REFUSED_BY_CHANNEL")]
    assert await deliver(reply) is None
    assert [(fate.status, fate.cause) for fate in world.fates] == [(Status.FAILED, cause)]


async def test_a_pause_that_one_reply_was_told_holds_the_account_s_others_back(
    deliver: DeliverReply, world: World
) -> None:
    wish = timedelta(seconds=90)
    world.answers = [Retry("CHANNEL_BUSY", after=wish, pause_account=True)]
    assert await deliver(FIRST) == wish
    other = replace(SECOND, conversation_id="c-2")
    assert await deliver(other) == wish
    world.now += wish
    assert await deliver(other) is None


async def test_a_later_reply_of_a_conversation_waits_for_the_earlier_but_not_for_ever(
    deliver: DeliverReply, world: World
) -> None:
    world.answers = [Retry("CHANNEL_ERROR")]
    assert await deliver(FIRST)
    assert await deliver(SECOND)
    assert not world.sent
    world.now += KEEP_ORDER_FOR
    assert await deliver(SECOND) is None
    assert world.sent == ["m-2"]


async def test_replies_of_one_instant_go_out_in_the_order_of_the_stream_not_of_their_ids(
    deliver: DeliverReply, world: World
) -> None:
    earlier, later = replace(FIRST, message_id="m-9"), replace(SECOND, message_id="m-1")
    world.answers = [Retry("CHANNEL_ERROR")]
    assert await deliver(earlier)
    assert await deliver(later)
    assert not world.sent
    assert [await deliver(one) for one in (earlier, later)] == [None, None]
    assert world.sent == ["m-9", "m-1"]


async def test_a_reply_that_is_published_again_keeps_its_place(
    deliver: DeliverReply, world: World
) -> None:
    world.answers = [Retry("CHANNEL_ERROR")]
    assert await deliver(FIRST)
    assert await deliver(SECOND)
    assert await deliver(replace(FIRST, position=3)) is None
    assert world.sent == ["m-1"]


async def test_a_reply_that_the_store_is_slow_to_note_is_not_overtaken(
    deliver: DeliverReply, world: World
) -> None:
    world.noted_slowly = FIRST.message_id
    await asyncio.gather(deliver(FIRST), deliver(SECOND))
    assert world.sent == ["m-1", "m-2"]


async def test_replies_of_other_conversations_do_not_wait_for_it(
    deliver: DeliverReply, world: World
) -> None:
    world.noted_slowly = FIRST.message_id
    await asyncio.gather(deliver(FIRST), deliver(replace(SECOND, conversation_id="c-2")))
    assert world.sent == ["m-2", "m-1"]


async def test_a_fault_of_ours_gives_the_place_back(deliver: DeliverReply, world: World) -> None:
    world.answers = [RuntimeError() for _ in range(5)]
    for _ in range(5):
        with pytest.raises(RuntimeError):
            await deliver(FIRST)
    assert await deliver(FIRST) is None
