"""What is let in, in which order it is judged, and that noise costs nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion import messages
from services.ingestion.adapters.callbacks import Callback
from services.ingestion.adapters.channels.custom import CustomConnector
from services.ingestion.adapters.channels.webchat import WebchatConnector
from services.ingestion.domain import errors
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.delivery import Delivery, Fate, Reply, Status
from services.ingestion.domain.message import LARGEST_BODY, InboundMessage
from services.ingestion.domain.rates import Rate, VisitorRates
from services.ingestion.domain.signature import sign
from services.ingestion.domain.visitor import Visitor, issue
from services.ingestion.use_cases import AcceptMessage, AcceptStatus, Connector, Envelope

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
SHOP = ChannelAccount("acme", "shop", Channel.CUSTOM, "sales", ("s",))
WEB = ChannelAccount("acme", "web", Channel.WEBCHAT, "sales", ("w",))
BODY = b'{"providerMessageId":"p-1","senderAddress":"+1555","text":"hi"}'


class World:
    """Every port at once, in memory; counts what was asked of it."""

    def __init__(self) -> None:
        self.stored: list[InboundMessage] = []
        self.fates: list[Fate] = []
        self.deliveries = {"m-1": Delivery("acme", "c-1", "m-1", "shop", NINE)}

    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        for account in (SHOP, WEB):
            if account.key == (tenant_id, channel_account_id):
                return account
        raise errors.ChannelAccountNotFound

    async def received(self, account: ChannelAccount, message: InboundMessage) -> bool:
        messages.received(account, message)  # refuses what breaks a rule, as on the bus
        known = message in self.stored
        self.stored.append(message)
        return known

    async def tell(self, fate: Fate) -> None:
        self.fates.append(fate)

    async def find(self, tenant_id: str, message_id: str) -> Delivery | None:
        return self.deliveries.get(message_id) if tenant_id == "acme" else None

    async def post(self, callback: Callback) -> None:
        raise AssertionError("nothing goes out here")

    async def keep(self, visitor: Visitor, reply: Reply) -> None:
        raise AssertionError("nothing goes out here")

    async def ring(self, visitor: Visitor) -> None:
        raise AssertionError("nothing goes out here")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def accept(world: World) -> AcceptMessage:
    connectors: dict[Channel, Connector] = {
        Channel.CUSTOM: CustomConnector(world, lambda: NINE),
        Channel.WEBCHAT: WebchatConnector(world, world),
    }
    rates = VisitorRates(
        account=Rate(1, 100), client=Rate(1, 50), visitor=Rate(1, 2), now=lambda: 0.0
    )
    return AcceptMessage(world, connectors, world, lambda: NINE, {Channel.WEBCHAT: rates})


@pytest.fixture
def report(world: World) -> AcceptStatus:
    custom = {Channel.CUSTOM: CustomConnector(world, lambda: NINE)}
    return AcceptStatus(world, custom, world, world, lambda: NINE)


def signed(body: bytes, secret: str = "s", at: datetime = NINE) -> Envelope:
    return Envelope(body, {"centralita-signature": sign(secret, body, at)})


def from_page(body: bytes, visitor: str = "v1") -> Envelope:
    token = issue(Visitor("acme", "web", visitor), "w", NINE)
    return Envelope(body, {"authorization": f"Bearer {token}"})


async def test_a_signed_message_is_stored_and_known_again(
    accept: AcceptMessage, world: World
) -> None:
    assert not await accept(Channel.CUSTOM, SHOP.key, signed(BODY))
    assert await accept(Channel.CUSTOM, SHOP.key, signed(BODY))
    assert world.stored[0].provider_message_id == "p-1"


async def test_noise_does_not_reach_the_bus(accept: AcceptMessage, world: World) -> None:
    for envelope in (Envelope(BODY), signed(BODY, "wrong"), signed(b"{", "wrong")):
        for _ in range(1000):
            with pytest.raises(errors.SignatureRefused):
                await accept(Channel.CUSTOM, SHOP.key, envelope)
    assert not world.stored


async def test_an_oversized_body_is_refused_before_anything_is_computed(
    accept: AcceptMessage,
) -> None:
    with pytest.raises(errors.BodyTooLarge):
        await accept(Channel.CUSTOM, ("no", "such"), Envelope(b"x" * (LARGEST_BODY + 1)))


@pytest.mark.parametrize("key", [("acme", "none"), ("none", "shop"), ("acme", "web")])
async def test_an_account_that_is_not_there_or_of_another_channel_is_not_found(
    accept: AcceptMessage, key: tuple[str, str]
) -> None:
    with pytest.raises(errors.ChannelAccountNotFound):
        await accept(Channel.CUSTOM, key, signed(BODY))


async def test_what_waited_on_the_bus_has_not_become_a_replay(accept: AcceptMessage) -> None:
    an_hour_ago = NINE - timedelta(hours=1)
    envelope = signed(BODY, at=an_hour_ago)
    await accept(Channel.CUSTOM, SHOP.key, envelope, arrived_at=an_hour_ago)
    with pytest.raises(errors.SignatureRefused):
        await accept(Channel.CUSTOM, SHOP.key, envelope)


async def test_a_signature_may_be_over_the_wrapping(accept: AcceptMessage) -> None:
    wrapped = b"wrapped:" + BODY
    headers = {"centralita-signature": sign("s", wrapped, NINE)}
    await accept(Channel.CUSTOM, SHOP.key, Envelope(BODY, headers, wrapping=wrapped))
    with pytest.raises(errors.SignatureRefused):
        await accept(Channel.CUSTOM, SHOP.key, Envelope(BODY, headers))


async def test_two_visitors_cannot_collide_nor_pose_as_each_other(
    accept: AcceptMessage, world: World
) -> None:
    for visitor in ("v1", "v2"):
        await accept(Channel.WEBCHAT, WEB.key, from_page(b'{"id":"1","text":"hi"}', visitor))
    assert [one.provider_message_id for one in world.stored] == ["v1:1", "v2:1"]
    assert [one.sender_address for one in world.stored] == ["v1", "v2"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"text":"hi"}', errors.ProviderMessageIdMissing),
        (b'{"id":"","text":"hi"}', errors.ProviderMessageIdMissing),
        (b'{"id":"a:b","text":"hi"}', errors.MessageMalformed),
        (b'{"id":5,"text":"hi"}', errors.MessageMalformed),
        (b'{"id":"1"}', errors.TextMissing),
        (b'{"id":"1","text":{}}', errors.MessageMalformed),
        (b'{"id":"1","text":"\\ud800"}', errors.MessageMalformed),
        (b"[]", errors.MessageMalformed),
    ],
)
async def test_a_page_s_bad_message_is_refused(
    accept: AcceptMessage, body: bytes, refusal: type[errors.Refusal]
) -> None:
    with pytest.raises(refusal):
        await accept(Channel.WEBCHAT, WEB.key, from_page(body))


async def test_a_visitor_in_a_hurry_is_told_to_wait(accept: AcceptMessage) -> None:
    for number in (1, 2):
        body = f'{{"id":"{number}","text":"hi"}}'.encode()
        await accept(Channel.WEBCHAT, WEB.key, from_page(body))
    with pytest.raises(errors.RateLimited):
        await accept(Channel.WEBCHAT, WEB.key, from_page(b'{"id":"3","text":"hi"}'))
    await accept(Channel.WEBCHAT, WEB.key, from_page(b'{"id":"1","text":"hi"}', "v2"))


async def test_a_report_becomes_the_fate_of_its_reply(report: AcceptStatus, world: World) -> None:
    await report(Channel.CUSTOM, SHOP.key, signed(b'{"messageId":"m-1","status":"READ"}'))
    body = b'{"messageId":"m-1","status":"FAILED","cause":"NUMBER_UNKNOWN"}'
    await report(Channel.CUSTOM, SHOP.key, signed(body))
    assert world.fates == [
        Fate("acme", "c-1", "m-1", Status.READ),
        Fate("acme", "c-1", "m-1", Status.FAILED, "NUMBER_UNKNOWN"),
    ]


async def test_another_account_s_reply_is_not_found(report: AcceptStatus, world: World) -> None:
    world.deliveries["m-2"] = Delivery("acme", "c-1", "m-2", "other", NINE)
    for message_id in ("m-2", "m-9"):
        body = f'{{"messageId":"{message_id}","status":"READ"}}'.encode()
        with pytest.raises(errors.ReplyNotFound):
            await report(Channel.CUSTOM, SHOP.key, signed(body))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"messageId":"m-1"}',
        b'{"messageId":"m-1","status":"SENT"}',
        b'{"messageId":"m-1","status":"GONE"}',
        b'{"messageId":5,"status":"READ"}',
        b'{"messageId":"m-1","status":"FAILED","cause":"a long sentence"}',
    ],
)
async def test_a_malformed_report_is_refused(report: AcceptStatus, body: bytes) -> None:
    with pytest.raises(errors.MessageMalformed):
        await report(Channel.CUSTOM, SHOP.key, signed(body))
