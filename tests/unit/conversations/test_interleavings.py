"""Whatever is interleaved, repeated or cut off: each message once, counted, in one place.

Two replicas share the stores. Every access is a point where another task may go on, or where the
process may die; what died is delivered again, as the bus would.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.conversations.domain.conversation import Conversation
from services.conversations.domain.errors import Refusal
from services.conversations.domain.events import Appended, Closed, Opened, ReplyRequested
from services.conversations.domain.message import Direction, Message, Seen, inbound_id, reply_id
from services.conversations.use_cases import Continue, StoreStaged
from services.kernel import again
from tests.unit.conversations.fakes import (
    LANE,
    OWNER,
    Clock,
    Desk,
    FakeConversations,
    FakeMessages,
    Ids,
    agent,
    received,
)


@dataclass(frozen=True)
class Step:
    """`dies_after` accesses the process is gone; -1: never."""

    verb: str
    which: int
    dies_after: int
    seen: int = 0


STEPS = st.lists(
    st.builds(
        Step,
        verb=st.sampled_from(
            ["receive", "receive", "receive", "reply", "close", "close", "end", "told", "told"]
        ),
        which=st.integers(0, 4),
        dies_after=st.integers(-1, 9),
        seen=st.integers(0, 3),
    ),
    min_size=1,
    max_size=14,
)


class Died(Exception):
    pass


_left: ContextVar[int] = ContextVar("left", default=-1)


@dataclass
class World:
    """`bug` names the one that is planted, if any."""

    seed: int
    bug: str = ""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.conversations = FakeConversations(
            self.checkpoint,
            guarded=self.bug != "writes are not guarded",
            numbered=self.bug != "openings are not numbered",
        )
        self.messages = FakeMessages(self.checkpoint)
        clock, ids = Clock(), Ids()
        self.desks = [
            Desk(self.conversations, self.messages, clock, ids, pauses=(0.0,)) for _ in range(2)
        ]
        if self.bug == "unstaged before it is stored":
            for desk in self.desks:
                desk.store.__class__ = UnstagesFirst
        if self.bug == "a close sees what it has not seen":
            for desk in self.desks:
                desk.go_on.__class__ = SeesEverything
        self.answered: set[str] = set()
        self.seen: dict[tuple[str, str], int] = {}

    async def checkpoint(self) -> None:
        stopped = self.random.random() < 0.1  # for so long that others open, append and close
        for _ in range(self.random.randrange(100 if stopped else 4)):
            await asyncio.sleep(0)
        left = _left.get()
        if left == 0:
            raise Died
        _left.set(left - 1)

    async def do(self, step: Step) -> None:
        _left.set(step.dies_after)
        desk = self.random.choice(self.desks)
        try:
            await self._do(desk, step)
        except Died:
            _left.set(-1)
            if step.verb in {"receive", "end"}:
                await self._do(self.random.choice(self.desks), step)

    async def _do(self, desk: Desk, step: Step) -> None:
        verbs: dict[str, Callable[[], Awaitable[object]]] = {
            "receive": lambda: desk.append(received(f"p-{step.which}")),
            "reply": lambda: self._reply(desk, f"r-{step.which}"),
            "close": lambda: self._close(desk, f"c-{step.which}", step.seen),
            "end": lambda: self._end(desk),
            "told": lambda: desk.store.told(list(self.conversations.documents)),
        }
        await verbs[step.verb]()

    async def _reply(self, desk: Desk, request_id: str) -> None:
        it = await self.conversations.latest_in(LANE)
        if it is None:
            return
        await desk.note("acme", it.id, 1, "sales", "ana")
        with suppress(Refusal):
            await desk.reply(agent(), it.id, request_id, "hola")
            self.answered.add(reply_id("acme", it.id, "ana", request_id))

    async def _close(self, desk: Desk, request_id: str, seen: int) -> None:
        it = await self.conversations.latest_in(LANE)
        if it is not None:
            with suppress(Refusal):
                self.seen[it.id, request_id] = seen
                await desk.close(OWNER, it.id, request_id, seen)

    async def _end(self, desk: Desk) -> None:
        it = await self.conversations.latest_in(LANE)
        if it is not None:
            await desk.end("acme", it.id)

    async def settled(self, steps: list[Step]) -> None:
        await asyncio.gather(*(self.do(step) for step in steps))
        _left.set(-1)
        for desk in self.desks:
            for it in await self.conversations.crossing(100):
                await desk.go_on(it)
        for desk in self.desks:
            for it in list(self.conversations.documents.values()):
                await desk.store.now(it, it.staged)

    def check(self, steps: list[Step]) -> None:
        documents = sorted(self.conversations.documents.values(), key=lambda it: it.ordinal)
        assert [it.ordinal for it in documents] == list(range(1, len(documents) + 1))
        assert all(it.closed for it in documents[:-1]), "two are open"
        threads = {
            it.id: sorted(
                (m for owner, m in self.messages.documents.values() if owner == it.id),
                key=lambda m: m.arrival,
            )
            for it in documents
        }
        for it in documents:
            left = [
                event.message.arrival
                for owner, event in self.conversations.events
                if owner == it.id and isinstance(event, Appended) and event.message.id in it.crossed
            ]
            arrivals = sorted(left + [m.arrival for m in threads[it.id]])
            assert arrivals == list(range(1, it.message_count + 1)), "a message is not counted"
            self._check_crossed(it, threads)
            told = [event for owner, event in self.conversations.events if owner == it.id]
            assert [type(e) for e in told].count(Opened) == 1
            assert isinstance(told[0], Opened)
            appended = [e.message.id for e in told if isinstance(e, Appended)]
            kept = [each for each in appended if each not in it.crossed]
            assert kept == [m.id for m in threads[it.id]]
            assert sum(isinstance(e, Closed) for e in told) == bool(it.closed)
        assert not self.conversations.pending
        stored = Counter(m.id for thread in threads.values() for m in thread)
        delivered = {
            inbound_id("acme", "shop", "visitor", f"p-{step.which}")
            for step in steps
            if step.verb == "receive"
        }
        assert delivered | self.answered <= stored.keys(), "a message is lost"
        assert max(stored.values(), default=1) == 1
        requested = Counter(
            e.message.id for _, e in self.conversations.events if isinstance(e, ReplyRequested)
        )
        assert max(requested.values(), default=1) == 1, "a reply is delivered twice"

    def _check_crossed(self, it: Conversation, threads: dict[str, list[Message]]) -> None:
        """What whoever closed it had not seen is in the next one, which says so."""
        if it.closed is None:
            return
        seen = self.seen.get((it.id, it.closed.request_id), 0) or it.message_count
        if it.closed.request_id:
            unseen = [m for m in threads[it.id] if m.arrival > seen]
            assert all(m.direction is Direction.OUTBOUND for m in unseen), "closed along unread"
        if it.crossed:
            following = next(
                each
                for each in self.conversations.documents.values()
                if each.ordinal == it.ordinal + 1
            )
            assert following.continues == it.id


class UnstagesFirst(StoreStaged):
    async def _store(
        self, staged: Sequence[tuple[Conversation, Message]], conversation_ids: Sequence[str]
    ) -> None:
        await self._conversations.unstage(conversation_ids, [message.id for _, message in staged])
        await self._messages.keep(staged)


class SeesEverything(Continue):
    async def unseen(self, it: Conversation, seen: Seen) -> Sequence[Message]:
        return ()


def run(steps: list[Step], seed: int, bug: str = "") -> None:
    yielding = SimpleNamespace(sleep=lambda _: asyncio.sleep(0))
    world = World(seed, bug)
    with patch.object(again, "asyncio", yielding):
        asyncio.run(world.settled(steps))
    world.check(steps)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 2**32 - 1))
def test_no_interleaving_loses_doubles_or_miscounts(steps: list[Step], seed: int) -> None:
    run(steps, seed)


USUAL = [
    Step(verb, n % 2, -1)
    for n, verb in enumerate(
        ["receive", "receive", "told", "end", "receive", "end", "receive", "told"]
    )
]
CROSSED = [
    *(Step("receive", n, -1) for n in range(4)),
    *(Step("close", n, -1, seen=1) for n in range(3)),
]


@pytest.mark.parametrize(
    ("bug", "steps"),
    [
        ("writes are not guarded", USUAL),
        ("openings are not numbered", USUAL),
        ("unstaged before it is stored", USUAL),
        ("a close sees what it has not seen", CROSSED),
    ],
)
def test_the_check_catches_a_planted_bug(bug: str, steps: list[Step]) -> None:
    for seed in range(300):
        run(steps, seed)
        try:
            run(steps, seed, bug)
        except AssertionError:
            return
    pytest.fail("not caught")
