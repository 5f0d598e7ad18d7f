"""Heartbeats, goodbyes and the watchman, with a bucket and a store made of dictionaries."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from services.presence.adapters.abilities import KnownAbilities
from services.presence.domain.bans import USUAL, Policy
from services.presence.domain.errors import DeviceIdInvalid, LeasesUnknown, NotConnected, Stale
from services.presence.domain.leases import Key, LeaseBook
from services.presence.domain.presence import Presence
from services.presence.domain.status import DND, ONLINE, READY, Cause, Status
from services.presence.use_cases.agents import Agents
from services.presence.use_cases.devices import Disconnect, Heartbeat
from services.presence.use_cases.reading import ReadPresences
from services.presence.use_cases.watching import Watchman

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LEASE = timedelta(seconds=15)
ANA = ("acme", "ana")


class Policies:
    """What the directory says of policies. None of these tests puts one."""

    def of(self, _: str) -> Policy:
        return USUAL

    async def renew(self, tenant_id: str) -> None:
        pass


class World:
    """What replicas share: time, the store, the bucket."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.stored: dict[Key, Presence] = {}
        self.events: list[Presence] = []
        self.taken: dict[tuple[Key, str], float] = {}
        self.sessions: dict[tuple[Key, str], str] = {}
        self.over: set[str] = set()
        self.store_down = False
        self.down = False
        self.policies = Policies()

    def clock(self) -> datetime:
        return NINE + timedelta(seconds=self.seconds)


class Replica:
    """One process of the service, as __main__ builds it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[Key, Presence] = {}
        self.stored_renewals = 0
        self.book = LeaseBook()
        self.agents = Agents(self, world.policies, world.clock, timedelta(seconds=60))
        self.heartbeat = Heartbeat(self.agents, self, self.book, LEASE, self.now)
        self.goodbye = Disconnect(self.agents, self, self.book, self.now)
        self.watchman = Watchman(
            self.agents, self, self.book, LEASE, self.now, is_over=self.is_over
        )

    def now(self) -> float:
        return self._world.seconds

    def is_over(self, _: Key, session_id: str) -> bool:
        return session_id in self._world.over

    # Presences

    def recalled(self, user: Key) -> Presence | None:
        return self._known.get(user)

    async def read(self, user: Key) -> Presence | None:
        await asyncio.sleep(0)
        return self._world.stored.get(user)

    async def save(self, before: Presence, after: Presence) -> None:
        await asyncio.sleep(0)
        if self._world.store_down:
            raise ConnectionError
        user = (after.tenant_id, after.user_id)
        stored = self._world.stored.get(user)
        if (stored.version if stored else 0) != before.version:
            raise Stale("It changed meanwhile.")
        self._world.stored[user] = self._known[user] = after
        self._world.events.append(after)

    async def page(self, tenant_id: str, after: str, size: int) -> Sequence[Presence]:
        users = sorted(user for tenant, user in self._world.stored if tenant == tenant_id)
        return [self._world.stored[tenant_id, one] for one in users if one > after][:size]

    async def cooled(self, now: datetime, most: int) -> Sequence[Key]:
        ends = {user: it.ban.until for user, it in self._world.stored.items() if it.ban}
        return [user for user, end in ends.items() if end is not None and end <= now][:most]

    # Leases

    async def take(self, user: Key, device_id: str, session_id: str) -> None:
        self.renew(user, device_id, session_id)

    def renew(self, user: Key, device_id: str, session_id: str) -> None:
        self.stored_renewals += 1
        if not self._world.down:
            self._world.taken[user, device_id] = self._world.seconds
            self._world.sessions[user, device_id] = session_id

    async def give_back(self, user: Key, device_id: str) -> None:
        if self._world.down:
            raise LeasesUnknown("No answer.")
        self._world.taken.pop((user, device_id), None)

    async def take_back(self, user: Key, device_id: str, session_id: str) -> bool:
        if self._world.sessions.get((user, device_id), session_id) != session_id:
            return False
        await self.give_back(user, device_id)
        return True

    async def end(self, user: Key) -> None:
        for who, device_id in list(self._world.taken):
            if who == user:
                await self.give_back(user, device_id)

    async def left(self, user: Key) -> float:
        await asyncio.sleep(0)
        if self._world.down:
            raise LeasesUnknown("No answer.")
        ends = [at + 15 for (who, _), at in self._world.taken.items() if who == user]
        return max(0.0, max(ends, default=0.0) - self._world.seconds)


async def until(world: World, seconds: float, *replicas: Replica) -> None:
    """Let time pass, with a sweep at every tick of each replica."""
    while world.seconds < seconds:
        world.seconds = round(world.seconds + 0.2, 1)
        for one in replicas:
            await one.watchman.sweep()


def status(world: World) -> Status:
    return world.stored[ANA].badge.status


async def test_a_heartbeat_that_only_renews_writes_and_tells_nothing() -> None:
    world = World()
    one = Replica(world)
    for _ in range(10):
        await one.heartbeat(ANA, "d1")
        await until(world, world.seconds + 5, one)

    assert [it.cause for it in world.events] == [Cause.CONNECTED]
    assert one.stored_renewals == 10


async def test_a_silent_device_is_noticed_within_its_lease_and_a_second() -> None:
    world = World()
    one = Replica(world)
    await one.heartbeat(ANA, "d1")
    await until(world, 14.8, one)
    assert status(world) is Status.ONLINE
    await until(world, 16, one)

    assert (status(world), world.events[-1].cause) == (Status.OFFLINE, Cause.LEASE_EXPIRED)
    assert ANA not in one.book


async def test_a_renewal_at_another_replica_counts() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    await until(world, 10, one, two)
    await two.heartbeat(ANA, "d1")
    await until(world, 24.8, one, two)
    assert status(world) is Status.ONLINE
    await until(world, 26, one, two)

    assert status(world) is Status.OFFLINE
    assert len(world.events) == 2


async def test_the_agent_stays_while_one_of_two_devices_does() -> None:
    world = World()
    one = Replica(world)
    await one.heartbeat(ANA, "d1")
    await one.agents.choose(ANA, READY)
    await one.heartbeat(ANA, "d2")
    await one.goodbye(ANA, "d1")
    assert status(world) is Status.READY
    await one.goodbye(ANA, "d2")

    assert (status(world), world.events[-1].cause) == (Status.OFFLINE, Cause.DISCONNECTED)
    with pytest.raises(NotConnected):
        await one.agents.choose(ANA, READY)


async def test_a_goodbye_of_a_device_nobody_knows_is_answered_alike() -> None:
    world = World()
    one = Replica(world)
    await one.goodbye(ANA, "d9")

    assert world.events == []


async def test_nobody_is_gone_while_the_bucket_cannot_be_asked() -> None:
    world = World()
    one = Replica(world)
    await one.heartbeat(ANA, "d1")
    world.down = True
    await until(world, 60, one)
    assert status(world) is Status.ONLINE

    world.down = False
    await until(world, 74, one)
    assert status(world) is Status.ONLINE
    await until(world, 78, one)
    assert status(world) is Status.OFFLINE


async def test_after_an_outage_all_who_were_due_have_a_whole_lease_to_call() -> None:
    world = World()
    one = Replica(world)
    many = [("acme", f"u-{number}") for number in range(100)]
    for user in many:
        await one.heartbeat(user, "d1")
    world.down = True
    await until(world, 30, one)
    world.down = False
    await until(world, 44, one)

    assert all(world.stored[user].connected for user in many)


async def test_an_interrupted_goodbye_is_finished_by_another_replica() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    two.watchman.heard(ANA, "d1", 0.0)
    await one.give_back(ANA, "d1")  # and dies
    two.watchman.heard_goodbye(ANA, "d1")
    await until(world, 1.4, two)

    assert status(world) is Status.OFFLINE


async def test_whoever_signed_out_while_the_store_was_out_is_gone_when_it_is_back() -> None:
    """One failure is not the end of all who are to be let go in the same moment."""
    world = World()
    one = Replica(world)
    users = [("acme", f"u-{number}") for number in range(5)]
    for user in users:
        await one.heartbeat(user, "d1", f"s-{user[1]}")
        world.over.add(f"s-{user[1]}")
        one.watchman.session_ended(user, f"s-{user[1]}")
    world.store_down = True
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await one.watchman.sweep()
    world.store_down = False
    await one.watchman.sweep()

    assert not any(world.stored[user].connected for user in users)


async def test_a_replica_that_hears_late_leaves_the_lease_of_the_new_sign_in_alone() -> None:
    world = World()
    slow, one = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1", "s1")
    slow.watchman.heard(ANA, "d1", 0.0, "s1")
    await one.heartbeat(ANA, "d1", "s2")
    world.over.add("s1")
    slow.watchman.session_ended(ANA, "s1")
    await slow.watchman.sweep()

    assert (ANA, "d1") in world.taken
    assert status(world) is Status.ONLINE


async def test_whoever_is_declared_gone_while_calling_is_back_with_the_next_heartbeat() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    await one.agents.choose(ANA, READY)
    await two.agents.disconnect(ANA, Cause.LEASE_EXPIRED)
    one._known[ANA] = world.stored[ANA]
    one.watchman.heard_of(ANA, connected=False)
    await one.heartbeat(ANA, "d1")

    assert status(world) is Status.READY


async def test_who_comes_back_while_a_replica_declares_them_gone_is_connected_at_once() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    two._known[ANA] = world.stored[ANA]
    await one.give_back(ANA, "d1")  # and finds no other lease
    await two.heartbeat(ANA, "d2")
    await one.agents.disconnect(ANA, Cause.DISCONNECTED)
    two._known[ANA] = world.stored[ANA]
    two.watchman.heard_of(ANA, connected=False)
    await until(world, world.seconds + 0.2, two)

    assert status(world) is Status.ONLINE


async def test_who_is_gone_is_not_brought_back_by_a_replica_that_heard_of_it_late() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    two.watchman.heard(ANA, "d1", 0.0)
    await one.goodbye(ANA, "d1")
    two.watchman.heard_goodbye(ANA, "d1")
    two.watchman.heard_of(ANA, connected=False)
    await until(world, 2, one, two)

    assert status(world) is Status.OFFLINE
    assert ANA not in two.book


async def test_who_is_connected_elsewhere_is_watched_here_too() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    two.watchman.heard_of(ANA, connected=True)
    await until(world, 16, two)  # and the first replica is dead

    assert status(world) is Status.OFFLINE


async def test_a_change_of_mind_does_not_lengthen_a_lease() -> None:
    world = World()
    one = Replica(world)
    await one.heartbeat(ANA, "d1")
    await until(world, 10, one)
    await one.agents.choose(ANA, READY)
    one.watchman.heard_of(ANA, connected=True)
    await until(world, 16, one)

    assert status(world) is Status.OFFLINE


async def test_what_a_replica_remembers_never_decides_against_the_store() -> None:
    world = World()
    one, two = Replica(world), Replica(world)
    await one.heartbeat(ANA, "d1")
    await one.agents.choose(ANA, READY)
    await two.agents.choose(ANA, DND)

    await one.agents.choose(ANA, READY)  # as it remembers
    assert status(world) is Status.READY
    await two.agents.choose(ANA, ONLINE)
    await one.agents.choose(ANA, DND)
    assert (status(world), world.stored[ANA].version) == (Status.DND, 6)


async def test_heartbeats_at_once_connect_once() -> None:
    world = World()
    replicas = [Replica(world) for _ in range(3)]
    await asyncio.gather(*(replicas[n % 3].heartbeat(ANA, f"d{n}") for n in range(9)))

    assert len(world.events) == 1


@pytest.mark.parametrize("device_id", ["", "a b", "a.b", "*", "x" * 65])
async def test_a_device_needs_a_name_that_can_stand_in_a_key(device_id: str) -> None:
    one = Replica(World())

    with pytest.raises(DeviceIdInvalid):
        await one.heartbeat(ANA, device_id)
    with pytest.raises(DeviceIdInvalid):
        await one.goodbye(ANA, device_id)


async def test_pages_list_everyone_of_the_tenant_by_id() -> None:
    world = World()
    one = Replica(world)
    for tenant, user in (("acme", "b"), ("acme", "a"), ("bolt", "z"), ("acme", "c")):
        await one.heartbeat((tenant, user), "d1")
    read = ReadPresences(one, KnownAbilities())

    first, last = await read.some("acme", "", 2)
    rest, end = await read.some("acme", last, 2)
    assert [it.user_id for it in (*first, *rest)] == ["a", "b", "c"]
    assert end == ""
    assert (await read.one("acme", "nobody")).badge.status is Status.OFFLINE
