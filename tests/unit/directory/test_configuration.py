"""Putting and removing things, with fakes."""

from itertools import pairwise

import pytest

from services.directory.domain.channel_account import Channel, ChannelAccount
from services.directory.domain.errors import (
    FieldInvalid,
    InUse,
    LastOwner,
    OverflowCycle,
    QueueNotFound,
    RoleTooLow,
    TenantNotFound,
    UnknownQueue,
)
from services.directory.domain.hours import BusinessHours
from services.directory.domain.overflow import ToQueue
from services.directory.domain.queue import Queue
from services.directory.domain.slot import Slot
from services.directory.domain.tenant import Tenant
from services.directory.domain.user import Role, User
from services.directory.use_cases.removals import DeleteQueue, RemoveEmptied
from services.directory.use_cases.resources import PutChannelAccount, PutQueue
from services.directory.use_cases.shelves import Read
from services.directory.use_cases.users import DeleteUser, PutUser
from tests.unit.directory.fakes import (
    CountingPasswords,
    MemoryRouter,
    MemorySessions,
    MemoryShelf,
    MemoryUsers,
    Named,
    Time,
)


class House:
    def __init__(self) -> None:
        self.users = MemoryUsers()
        self.queues: MemoryShelf[Queue] = MemoryShelf()
        self.passwords = CountingPasswords()
        self.put = PutUser(self.users, self.queues, self.passwords, MemorySessions(), Time())
        self.delete = DeleteUser(self.users, Named(), MemorySessions(), Time())


def slot(role: Role = Role.AGENT, *queues: str, name: str = "ana") -> Slot[User]:
    return Slot("acme", name, User(f"{name}@x.example", name, role, queues))


async def test_what_does_not_change_is_not_written() -> None:
    house = House()
    first = await house.put(Role.OWNER, slot())
    again = await house.put(Role.OWNER, slot(), version=first.version)
    assert again == first
    assert house.users.saves == 1


async def test_a_put_without_a_password_keeps_the_one_there_is() -> None:
    house = House()
    first = await house.put(Role.OWNER, slot(), "right-password")
    second = await house.put(Role.OWNER, slot(Role.SUPERVISOR))
    assert first.value is not None
    assert second.value is not None
    assert second.value.password == first.value.password
    assert second.value.password is not None


async def test_nothing_is_hashed_for_a_put_that_is_refused() -> None:
    house = House()
    with pytest.raises(RoleTooLow):
        await house.put(Role.ADMINISTRATOR, slot(Role.OWNER), "right-password")
    with pytest.raises(UnknownQueue):
        await house.put(Role.OWNER, slot(Role.AGENT, "nowhere"), "right-password")
    with pytest.raises(FieldInvalid):
        await house.put(Role.OWNER, slot(), "short")
    assert house.passwords.hashed == 0


async def test_an_owner_leaves_only_while_another_stays() -> None:
    house = House()
    await house.put(Role.OWNER, slot(Role.OWNER))
    with pytest.raises(LastOwner):
        await house.delete(Role.OWNER, "acme", "ana")
    with pytest.raises(LastOwner):
        await house.put(Role.OWNER, slot(Role.AGENT))
    await house.put(Role.OWNER, slot(Role.OWNER, name="bob"))
    await house.delete(Role.OWNER, "acme", "ana")
    assert await house.users.owners("acme") == ["bob"]
    assert house.users.words == {}


async def test_a_queue_in_use_stays_and_a_missing_one_is_not_found() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    await PutQueue(queues, MemoryShelf())(Slot("acme", "support", Queue("Support")))
    remove = RemoveEmptied(queues, MemoryRouter())
    with pytest.raises(InUse) as refused:
        await DeleteQueue(queues, Named(("user", "ana")), remove)("olga", "acme", "support")
    assert refused.value.details == {"kind": "user", "id": "ana"}
    delete = DeleteQueue(queues, Named(), remove)
    await delete("olga", "acme", "support")
    with pytest.raises(QueueNotFound):
        await delete("olga", "acme", "support")


def leading(to: str, *, outside: str = "") -> Queue:
    """Make a queue that overflows to another one; when it is closed, `outside`."""
    hours = BusinessHours("UTC", overflow=ToQueue(outside)) if outside else None
    return Queue("Q", overflow=ToQueue(to), business_hours=hours)


async def put_chain(put: PutQueue, *names: str) -> None:
    """Put queues of which each overflows to the one put before it."""
    await put(Slot("acme", names[0], Queue("Q")))
    for before, name in pairwise(names):
        await put(Slot("acme", name, leading(before)))


async def test_a_queue_from_which_tasks_would_come_back_is_refused_with_the_way() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    put = PutQueue(queues, MemoryShelf())
    await put_chain(put, "night", "day", "vip")
    await put(Slot("acme", "elsewhere", Queue("Q")))
    before = dict(queues.slots)
    for queue in (leading("vip"), leading("elsewhere", outside="vip")):
        with pytest.raises(OverflowCycle, match="night > vip > day > night") as refused:
            await put(Slot("acme", "night", queue))
        assert refused.value.details == {"queueIds": "night,vip,day,night"}
    assert queues.slots == before
    await put(Slot("acme", "day", leading("elsewhere")))
    await put(Slot("acme", "night", leading("vip")))


async def test_ways_that_meet_again_and_names_of_other_tenants_are_no_cycle() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    put = PutQueue(queues, MemoryShelf())
    await put_chain(put, "last", "left")
    await put(Slot("acme", "right", leading("last")))
    await put(Slot("acme", "first", leading("left", outside="right")))
    queues.slots["other", "last"] = Slot("other", "last", leading("first"), 1)
    await put(Slot("acme", "first", leading("right", outside="left")))


async def test_a_cycle_made_by_two_puts_at_once_is_opened_again_by_the_next_one() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    queues.slots["acme", "day"] = Slot("acme", "day", leading("night"), 1)
    queues.slots["acme", "night"] = Slot("acme", "night", leading("day"), 1)
    put = PutQueue(queues, MemoryShelf())
    await put(Slot("acme", "vip", leading("day")))
    with pytest.raises(OverflowCycle):
        await put(Slot("acme", "day", Queue("Day", overflow=ToQueue("night"))))
    await put(Slot("acme", "day", Queue("Day")))
    await put(Slot("acme", "night", Queue("Night", overflow=ToQueue("day"))))


async def test_a_channel_account_gets_a_secret_and_keeps_it() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    accounts: MemoryShelf[ChannelAccount] = MemoryShelf()
    await PutQueue(queues, MemoryShelf())(Slot("acme", "support", Queue("Support")))
    put = PutChannelAccount(accounts, queues, Time())
    first = await put(Slot("acme", "web", ChannelAccount(Channel.WEBCHAT, "Web", "support")))
    second = await put(Slot("acme", "web", ChannelAccount(Channel.WEBCHAT, "Site", "support")))
    assert first.value is not None
    assert second.value is not None
    assert second.value.secrets == first.value.secrets
    assert len(second.value.secrets) == 1
    assert second.version == 2


async def test_pages_hold_fifty_unless_asked_otherwise() -> None:
    queues: MemoryShelf[Queue] = MemoryShelf()
    for n in range(51):
        await queues.save(Slot("acme", f"q{n:03}", Queue("Q")))
    read = Read(queues, "queue_id", QueueNotFound)
    first = await read.page("acme", 0, "")
    assert len(first.slots) == 50
    rest = await read.page("acme", 200, first.next_token)
    assert [it.id for it in rest.slots] == ["q050"]
    assert rest.next_token == ""


async def test_a_tenant_that_was_never_made_is_not_found() -> None:
    read = Read(MemoryShelf[Tenant](), "tenant_id", TenantNotFound)
    with pytest.raises(TenantNotFound, match="does not exist"):
        await read.one("nobody", "nobody")
