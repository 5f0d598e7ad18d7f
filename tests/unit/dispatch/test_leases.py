"""Who takes a shard, and who leaves it alone, on a board of paper and by a clock that is turned."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from nats.js.errors import BadRequestError

from services.dispatch.adapters import board as board_of
from services.dispatch.adapters import leases as leases_of
from services.dispatch.adapters import roster as roster_of
from services.dispatch.adapters.board import Board, Noted
from services.dispatch.adapters.leases import GRACE_S, KeyValueLeases, Lease
from services.dispatch.adapters.roster import KEY, LEASE_S, Roster
from services.kernel.ending import beside
from tests.streams import until

SETTLED_S = 5.0


class Paper:
    """A board on which everything is seen at once. Waiting for a change lets time pass."""

    def __init__(self) -> None:
        self.time = 100.0
        self.sees = True
        self.silent = False
        """The next write is done, and nobody says so."""
        self.noted: dict[str, Noted] = {}
        self.alive: set[str] = set()
        self.happens: dict[float, Callable[[], None]] = {}

    def at(self, key: str) -> Noted:
        return self.noted.get(key, Noted())

    def under(self, prefix: str) -> Mapping[str, Noted]:
        found = {key: it for key, it in self.noted.items() if key.startswith(prefix)}
        return {key.removeprefix(prefix): it for key, it in found.items()}

    async def write(self, key: str, value: bytes, *, last: int | None = None, **_: Any) -> int:
        if last is not None and last != self.at(key).revision:
            raise BadRequestError
        self.note(key, value)
        if self.silent:
            self.silent = False
            raise TimeoutError
        return self.at(key).revision

    def note(self, key: str, value: bytes, since: float | None = None) -> None:
        revision = max((it.revision for it in self.noted.values()), default=0) + 1
        began = self.at(key).since or self.time
        self.noted[key] = Noted(revision, value, self.time, began if since is None else since)

    async def change(self, within: float) -> None:
        await asyncio.sleep(0)
        self.time += within
        for name in sorted(self.alive):
            self.note(KEY + name, self.at(KEY + name).value)
        for moment in [it for it in self.happens if it <= self.time]:
            self.happens.pop(moment)()
        assert self.time < 10_000, "nothing happens any more"

    def comes(self, name: str, *standby: int) -> None:
        said = {"standby": list(standby), "leaving": False}
        self.note(KEY + name, json.dumps(said).encode())
        self.alive.add(name)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Paper:
    it = Paper()
    for module in (board_of, roster_of, leases_of):
        monkeypatch.setattr(module, "now", lambda: it.time)
    return it


def replica(paper: Paper, name: str = "me") -> Roster:
    paper.comes(name)
    roster = Roster(cast("Board", paper), name, SETTLED_S)
    roster._alive_until = float("inf")
    return roster


def lease_of(paper: Paper, roster: Roster, shards: int = 1) -> Lease:
    return Lease(cast("Board", paper), roster, 0, shards)


async def never(_: Callable[[], None]) -> None:
    await asyncio.Event().wait()


async def taken(paper: Paper, roster: Roster, shards: int = 1) -> float:
    """Take the shard; return how long that took."""
    began = paper.time
    lease = lease_of(paper, roster, shards)
    await lease.take(never)
    assert lease.holds()
    assert paper.at("shard-0").value == roster.name.encode()
    return paper.time - began


async def test_a_shard_that_nobody_ever_led_is_taken_at_once(paper: Paper) -> None:
    assert await taken(paper, replica(paper)) == 0


async def test_a_dead_owners_shard_is_taken_when_its_lease_is_over(paper: Paper) -> None:
    me = replica(paper)
    paper.comes("dead")
    paper.note("shard-0", b"dead")
    paper.alive.discard("dead")
    took = await taken(paper, me)
    assert LEASE_S <= took < LEASE_S + GRACE_S


async def test_who_sees_nothing_takes_nobody_for_dead(paper: Paper) -> None:
    me = replica(paper)
    paper.comes("other")
    paper.note("shard-0", b"other")
    paper.alive.clear()
    paper.sees = False

    def sight() -> None:
        paper.sees = True
        for name in ("me", "other"):
            paper.comes(name)

    paper.happens[paper.time + 20] = sight
    paper.happens[paper.time + 30] = lambda: paper.alive.discard("other")
    assert await taken(paper, me) > 30


async def test_what_was_passed_on_to_us_is_ours_at_once(paper: Paper) -> None:
    me = replica(paper)
    paper.comes("other")
    paper.note("shard-0", b">me")
    assert await taken(paper, me) == 0


async def test_what_was_passed_on_to_another_is_theirs_for_a_while(paper: Paper) -> None:
    me = replica(paper)
    paper.comes("other")
    paper.note("shard-0", b">other")
    assert GRACE_S < await taken(paper, me) < 3 * GRACE_S


async def test_whose_turn_it_is_comes_first(paper: Paper) -> None:
    """Two are left; the one who leads another shard already waits for the one who leads none."""
    me = replica(paper)
    paper.comes("other")
    paper.note("shard-1", b"me")
    assert await taken(paper, me, shards=2) > GRACE_S
    paper.noted.pop("shard-0")
    assert await taken(paper, replica(paper, "other"), shards=2) == 0


async def test_a_term_of_ours_that_could_not_give_back_is_taken_up_again(paper: Paper) -> None:
    me = replica(paper)
    paper.note("shard-0", b"me")
    assert await taken(paper, me) == 0


async def test_a_write_of_which_nobody_says_whether_it_was_done_is_looked_up(paper: Paper) -> None:
    me = replica(paper)
    paper.silent = True
    assert await taken(paper, me) > 0


async def test_who_leaves_takes_nothing(paper: Paper) -> None:
    me = replica(paper)
    me.leave()
    taking = asyncio.create_task(lease_of(paper, me).take(never))
    for _ in range(50):
        await asyncio.sleep(0)
    assert not taking.done()
    taking.cancel()
    assert not paper.at("shard-0").value


async def test_a_successor_is_named_when_it_has_settled_and_succeeds_when_it_is_warm(
    paper: Paper,
) -> None:
    me = replica(paper)
    paper.note("shard-0", b"me")
    lease = Lease(cast("Board", paper), me, 1, 2)
    await lease.take(never)
    paper.comes("new")
    came = paper.time
    async with beside(lease.plan()):
        await until(lambda: paper.at("shard-1").value == b"me>new")
        assert paper.time - came >= SETTLED_S
        assert [lease.successor, lease.holds()] == ["", True]
        paper.comes("new", 1)
        assert [lease.successor, lease.holds()] == ["new", True]
    await lease.release()
    assert paper.at("shard-1").value == b">new"


async def test_who_leads_no_more_than_a_share_passes_nothing_on(paper: Paper) -> None:
    me = replica(paper)
    paper.note("shard-1", b"me")
    lease = lease_of(paper, me, shards=2)
    await lease.take(never)
    paper.comes("new")
    until_then = paper.time + SETTLED_S * 2
    async with beside(lease.plan()):
        await until(lambda: paper.time > until_then)
    assert paper.at("shard-0").value == b"me", "of the two the other one goes"


async def test_who_is_told_to_stop_waits_until_others_have_it_all_but_not_for_nobody(
    paper: Paper,
) -> None:
    alone = KeyValueLeases(cast("Board", paper), replica(paper), 1)
    async with alone.held(0, never):
        await alone.pass_on()
    me = replica(paper)
    shared = KeyValueLeases(cast("Board", paper), me, 1)
    async with shared.held(0, never) as lease:
        paper.comes("other", 0)
        passing = asyncio.create_task(shared.pass_on())
        await until(lambda: bool(lease.successor))
        assert not passing.done()
    await passing
    assert paper.at("shard-0").value == b">other"
