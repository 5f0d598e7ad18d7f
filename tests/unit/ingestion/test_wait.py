"""Who is told of a wait, whose wait it is, and what nobody has to be asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingestion import messages
from services.ingestion.adapters.channels.custom import CustomConnector
from services.ingestion.adapters.channels.webchat import WebchatConnector
from services.ingestion.domain import errors
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.rates import Rate, VisitorRates
from services.ingestion.domain.signature import sign
from services.ingestion.domain.visitor import Visitor, issue
from services.ingestion.domain.wait import Wait
from services.ingestion.use_cases import Connector, Envelope, TellWait
from tests.unit.ingestion.test_accept import NINE, SHOP, WEB
from tests.unit.ingestion.test_accept import World as Ports

SOON = Wait(3, timedelta(seconds=20), timedelta(seconds=55))
BODY = b'{"senderAddress":"+1555"}'


class World(Ports):
    """Who has a conversation that waits, and which task the router knows."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = {("web", "v1"): "c-web", ("shop", "+1555"): "c-shop"}
        self.line = {"c-web": SOON, "c-shop": SOON}
        self.asked: list[str] = []

    async def waiting(self, account: ChannelAccount, address: str) -> str:
        self.asked.append(messages.checked_address(address))
        return self.waits.get((account.channel_account_id, address), "")

    async def wait(self, tenant_id: str, task_id: str) -> Wait | None:
        self.asked.append(task_id)
        return self.line.get(task_id) if tenant_id == "acme" else None


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def tell(world: World) -> TellWait:
    connectors: dict[Channel, Connector] = {
        Channel.CUSTOM: CustomConnector(world, lambda: NINE),
        Channel.WEBCHAT: WebchatConnector(world, world),
    }
    rates = VisitorRates(
        account=Rate(1, 100), client=Rate(1, 50), visitor=Rate(1, 2), now=lambda: 0.0
    )
    return TellWait(world, connectors, world, world, lambda: NINE, {Channel.WEBCHAT: rates})


def visitor(visitor_id: str, at: datetime = NINE) -> Envelope:
    token = issue(Visitor("acme", "web", visitor_id), "w", at)
    return Envelope(b"", {"authorization": f"Bearer {token}"})


def signed(body: bytes, secret: str = "s") -> Envelope:
    return Envelope(body, {"centralita-signature": sign(secret, body, NINE)})


async def test_a_visitor_is_told_of_their_own_wait(tell: TellWait) -> None:
    assert await tell(Channel.WEBCHAT, WEB.key, visitor("v1")) == SOON


async def test_who_has_nothing_that_waits_costs_the_router_nothing(
    tell: TellWait, world: World
) -> None:
    assert await tell(Channel.WEBCHAT, WEB.key, visitor("v2")) is None
    assert world.asked == ["v2"]


async def test_a_task_that_the_router_does_not_know_does_not_wait(
    tell: TellWait, world: World
) -> None:
    world.line.clear()
    assert await tell(Channel.WEBCHAT, WEB.key, visitor("v1")) is None


async def test_nobody_is_asked_for_a_stranger(tell: TellWait, world: World) -> None:
    for stranger in (Envelope(b""), visitor("v1", datetime(2020, 1, 1, tzinfo=UTC))):
        with pytest.raises(errors.VisitorTokenRefused):
            await tell(Channel.WEBCHAT, WEB.key, stranger)
    with pytest.raises(errors.SignatureRefused):
        await tell(Channel.CUSTOM, SHOP.key, signed(BODY, "wrong"))
    with pytest.raises(errors.ChannelAccountNotFound):
        await tell(Channel.CUSTOM, WEB.key, signed(BODY))
    assert not world.asked


async def test_a_visitor_who_asks_all_the_time_is_told_to_wait(
    tell: TellWait, world: World
) -> None:
    for _ in range(2):
        await tell(Channel.WEBCHAT, WEB.key, visitor("v2"))
    with pytest.raises(errors.RateLimited):
        await tell(Channel.WEBCHAT, WEB.key, visitor("v2"))
    assert len(world.asked) == 2


async def test_a_connector_asks_for_its_customer(tell: TellWait) -> None:
    assert await tell(Channel.CUSTOM, SHOP.key, signed(BODY)) == SOON
    assert await tell(Channel.CUSTOM, SHOP.key, signed(b'{"senderAddress":"+1"}')) is None


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"{}", errors.SenderAddressMissing),
        (b'{"senderAddress":" "}', errors.SenderAddressMissing),
        (b'{"senderAddress":7}', errors.MessageMalformed),
        (b'{"senderAddress":"%s"}' % (b"9" * 201), errors.MessageMalformed),
        (b"+1555", errors.MessageMalformed),
    ],
)
async def test_a_connector_says_whom_it_asks_for(
    tell: TellWait, world: World, body: bytes, refusal: type[errors.Refusal]
) -> None:
    with pytest.raises(refusal):
        await tell(Channel.CUSTOM, SHOP.key, signed(body))
    assert not world.asked
