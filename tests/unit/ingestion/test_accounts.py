"""Channel accounts are at hand: asked for once, forgotten when they change, kept in an outage."""

import asyncio
from dataclasses import replace

import pytest

from services.ingestion.adapters.directory import (
    ABSENT,
    ASK_AGAIN,
    FRESH,
    RENEW_EARLY,
    USABLE,
    CachedAccounts,
)
from services.ingestion.domain.account import Channel, ChannelAccount
from services.ingestion.domain.errors import ChannelAccountNotFound, DependencyUnavailable

SHOP = ChannelAccount("acme", "shop", Channel.CUSTOM, "sales", ("s",))


class Directory:
    def __init__(self) -> None:
        self.now = 1000.0
        self.account: ChannelAccount | None = SHOP
        self.out = False
        self.asked = 0
        self.gate: asyncio.Event | None = None

    async def get(self, tenant_id: str, channel_account_id: str) -> ChannelAccount:
        self.asked += 1
        answer = self.account
        if self.gate is not None:
            await self.gate.wait()
        if self.out:
            raise DependencyUnavailable("out")
        if answer is None or answer.key != (tenant_id, channel_account_id):
            raise ChannelAccountNotFound
        return answer


@pytest.fixture
def directory() -> Directory:
    return Directory()


@pytest.fixture
def accounts(directory: Directory) -> CachedAccounts:
    return CachedAccounts(directory, lambda: directory.now)


async def test_many_who_ask_at_once_ask_once(
    accounts: CachedAccounts, directory: Directory
) -> None:
    found = await asyncio.gather(*(accounts.get(*SHOP.key) for _ in range(100)))
    assert set(found) == {SHOP}
    assert directory.asked == 1
    directory.now += FRESH - 1
    await accounts.get(*SHOP.key)
    assert directory.asked <= 2


async def test_an_ageing_answer_is_renewed_before_anyone_must_wait(
    accounts: CachedAccounts, directory: Directory
) -> None:
    await accounts.get(*SHOP.key)
    directory.now += RENEW_EARLY + 1
    directory.gate = asyncio.Event()
    assert await accounts.get(*SHOP.key) == SHOP
    directory.gate.set()
    await asyncio.sleep(0)
    await accounts.close()
    assert directory.asked == 2


async def test_what_does_not_exist_is_remembered_for_a_moment(
    accounts: CachedAccounts, directory: Directory
) -> None:
    for _ in range(10):
        with pytest.raises(ChannelAccountNotFound):
            await accounts.get("acme", "none")
    assert directory.asked == 1
    directory.now += ABSENT
    with pytest.raises(ChannelAccountNotFound):
        await accounts.get("acme", "none")
    assert directory.asked == 2


@pytest.mark.parametrize("key", [("acme", ""), ("a.b", "shop"), ("acme", "*"), ("acme", "x" * 65)])
async def test_what_cannot_exist_is_not_asked_for(
    accounts: CachedAccounts, directory: Directory, key: tuple[str, str]
) -> None:
    with pytest.raises(ChannelAccountNotFound):
        await accounts.get(*key)
    assert not directory.asked


async def test_an_outage_of_the_directory_is_bridged_for_a_while(
    accounts: CachedAccounts, directory: Directory
) -> None:
    await accounts.get(*SHOP.key)
    directory.out = True
    directory.now += FRESH + 1
    for _ in range(10):
        assert await accounts.get(*SHOP.key) == SHOP
    assert directory.asked == 2, "an outage is not made worse by asking at every request"
    directory.now += ASK_AGAIN
    await accounts.get(*SHOP.key)
    assert directory.asked == 3
    directory.now += USABLE
    with pytest.raises(DependencyUnavailable):
        await accounts.get(*SHOP.key)
    directory.out = False
    assert await accounts.get(*SHOP.key) == SHOP


async def test_a_change_is_seen_at_once(accounts: CachedAccounts, directory: Directory) -> None:
    await accounts.get(*SHOP.key)
    directory.account = replace(SHOP, queue_id="support")
    accounts.forget(SHOP.key)
    assert (await accounts.get(*SHOP.key)).queue_id == "support"


async def test_an_answer_that_a_change_overtook_is_not_kept(
    accounts: CachedAccounts, directory: Directory
) -> None:
    directory.gate = asyncio.Event()
    early = asyncio.create_task(accounts.get(*SHOP.key))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    directory.account = replace(SHOP, queue_id="support")
    accounts.forget(SHOP.key)
    directory.gate.set()
    await early
    assert (await accounts.get(*SHOP.key)).queue_id == "support"
