"""Frames put onto a snapshot are the view, from any position, on any replica."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.workspace.domain.board import Board
from services.workspace.domain.card import Card, CardState, Standing
from services.workspace.domain.errors import SlowConsumer
from services.workspace.domain.frames import (
    Alive,
    CardChange,
    Change,
    Frame,
    Gone,
    Shown,
    ViewerChange,
    Whole,
)
from services.workspace.domain.viewer import Role, Viewer
from services.workspace.use_cases.live import Live, Watcher

NINE = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ANA = Viewer("acme", "ana", Role.AGENT, frozenset({"sales"}), 1)


def live(*changes: Change, replay: int = 1000, buffer: int = 1000) -> Live:
    it = Live(replay=replay, buffer=buffer, now=lambda: 0.0)
    it.begin(0, Board())
    feed(it, *changes)
    return it


def feed(it: Live, *changes: Change) -> None:
    for change in changes:
        it.receive([change], change.position)


async def frames(watcher: Watcher) -> list[Frame]:
    """What waits for the client now."""
    found: list[Frame] = []
    stream = aiter(watcher)
    while True:
        try:
            async with asyncio.timeout(0):
                found.append(await anext(stream))
        except TimeoutError:
            return found


def card(
    name: str, state: CardState, agent: str = "", *, revision: int, queue: str = "sales"
) -> Card:
    return Card("acme", name, Standing(state, queue, agent), opened_at=NINE, revision=revision)


def story(*cards: Card, start: int = 1) -> list[CardChange]:
    """One change after the other, each with what stood before."""
    before: dict[str, Standing] = {}
    changes = []
    for position, it in enumerate(cards, start):
        changes.append(CardChange(position, it, before.get(it.conversation_id)))
        before[it.conversation_id] = it.standing
    return changes


def joined(it: Live, held: int = 0, user: str = "ana") -> Watcher:
    return it.watch("acme", user, Role.AGENT, held)


WAITING, OFFERED, ASSIGNED, CLOSED = (
    CardState.WAITING,
    CardState.OFFERED,
    CardState.ASSIGNED,
    CardState.CLOSED,
)


async def test_a_view_begins_with_the_whole_and_goes_on_with_the_changes() -> None:
    first, second, third = story(
        card("v-1", WAITING, revision=1),
        card("v-1", ASSIGNED, "ana", revision=2),
        card("v-1", CLOSED, "ana", revision=3),
    )
    it = live(ViewerChange(0, ANA), first)
    watcher = joined(it)
    feed(it, second, third)

    assert await frames(watcher) == [
        Whole(1, (first.card,)),
        Shown(2, second.card),
        Gone(3, "v-1"),
    ]


async def test_a_card_assigned_to_a_colleague_leaves_the_view() -> None:
    changes = story(card("v-1", WAITING, revision=1), card("v-1", ASSIGNED, "ben", revision=2))
    it = live(ViewerChange(0, ANA), changes[0])
    watcher = joined(it)
    feed(it, changes[1])

    assert (await frames(watcher))[1:] == [Gone(2, "v-1")]


async def test_who_resumes_gets_what_they_missed_and_nothing_else() -> None:
    changes = story(
        card("v-1", WAITING, revision=1),
        card("v-2", WAITING, revision=1, queue="help"),
        card("v-1", OFFERED, "ana", revision=2),
        card("v-1", ASSIGNED, "ana", revision=3),
    )
    it = live(ViewerChange(0, ANA), *changes)

    assert await frames(joined(it, held=2)) == [
        Shown(3, changes[2].card),
        Shown(4, changes[3].card),
    ]


async def test_who_missed_nothing_is_told_so_at_once() -> None:
    it = live(ViewerChange(0, ANA), *story(card("v-1", WAITING, revision=1)))

    assert await frames(joined(it, held=1)) == [Alive(1)]


async def test_who_was_away_too_long_gets_the_whole() -> None:
    many = story(*(card("v-1", WAITING, revision=n) for n in range(1, 40)))
    it = live(ViewerChange(0, ANA), *many, replay=10)

    assert await frames(joined(it, held=5)) == [Whole(39, (many[-1].card,))]


async def test_who_was_ahead_of_this_replica_gets_nothing_twice() -> None:
    changes = story(*(card("v-1", WAITING, revision=n) for n in range(1, 5)))
    it = live(ViewerChange(0, ANA), changes[0])
    watcher = joined(it, held=3)
    feed(it, *changes[1:])

    assert await frames(watcher) == [Alive(3), Shown(4, changes[3].card)]


async def test_other_queues_mean_a_new_view_at_that_position() -> None:
    other = card("v-2", WAITING, revision=1, queue="help")
    it = live(ViewerChange(0, ANA), *story(card("v-1", WAITING, revision=1), other))
    watcher = joined(it)
    feed(it, ViewerChange(3, Viewer("acme", "ana", Role.AGENT, frozenset({"help"}), 2)))

    assert await frames(watcher) == [Whole(3, (other,))]
    assert await frames(joined(it, held=2)) == [Whole(3, (other,))]


async def test_a_board_loaded_ahead_of_the_stream_still_tells_the_change() -> None:
    first, second = story(
        card("v-1", WAITING, revision=1), card("v-1", ASSIGNED, "ana", revision=2)
    )
    board = Board()
    board.apply(second)
    board.apply(ViewerChange(0, ANA))
    it = Live(replay=100, buffer=100, now=lambda: 0.0)
    it.begin(1, board)
    watcher = joined(it, held=1)
    feed(it, second)

    assert await frames(watcher) == [Alive(1), Shown(2, second.card)]
    assert first.position == 1


async def test_a_slow_reader_keeps_a_bounded_number_of_frames_and_is_ended() -> None:
    it = live(ViewerChange(0, ANA), buffer=3)
    watcher = joined(it)
    feed(it, *story(*(card("v-1", WAITING, revision=n) for n in range(1, 9))))

    with pytest.raises(SlowConsumer):
        await frames(watcher)


async def test_silence_is_broken_by_a_sign_of_life_that_can_be_resumed_from() -> None:
    now = [0.0]
    it = Live(replay=100, buffer=100, now=lambda: now[0])
    it.begin(0, Board())
    watcher = joined(it)
    elsewhere = story(card("v-9", WAITING, revision=1, queue="help"))
    feed(it, *elsewhere)
    it.beat(10)
    now[0] = 10.0
    it.beat(10)

    assert await frames(watcher) == [Whole(0, ()), Alive(1)]


async def test_another_tenant_sees_nothing() -> None:
    it = live(*story(card("v-1", WAITING, revision=1)))
    stranger = it.watch("bolt", "ana", Role.OWNER, 0)
    feed(it, CardChange(2, card("v-1", ASSIGNED, "ana", revision=2), Standing(WAITING, "sales")))

    assert await frames(stranger) == [Whole(1, ())]


# Any history of the stream, any viewer, any moments of dropping and resuming.

people = st.sampled_from(["ana", "ben"])
queue_ids = st.sampled_from(["sales", "help"])


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    changes: list[Change] = []
    latest: dict[str, Card] = {}
    versions: dict[str, int] = {}
    position = 0
    for _ in range(draw(st.integers(1, 30))):
        position += draw(st.integers(1, 3))  # positions of other tenants lie between
        if draw(st.integers(0, 5)) == 0:
            user = draw(people)
            versions[user] = versions.get(user, 0) + 1
            role = draw(st.sampled_from([Role.AGENT, Role.MANAGER]))
            queues = draw(st.frozensets(queue_ids))
            changes.append(
                ViewerChange(position, Viewer("acme", user, role, queues, versions[user]))
            )
            continue
        name = draw(st.sampled_from(["v-1", "v-2", "v-3"]))
        before = latest.get(name)
        state = draw(st.sampled_from(CardState))
        standing = Standing(
            state, draw(queue_ids), draw(people) if state in (OFFERED, ASSIGNED) else ""
        )
        now = Card("acme", name, standing, revision=(before.revision if before else 0) + 1)
        latest[name] = now
        changes.append(CardChange(position, now, before.standing if before else None))
    return changes


class Client:
    """Applies frames as the contract says."""

    def __init__(self) -> None:
        self.held = 0
        self.cards: dict[str, Card] = {}
        self.seen: list[tuple[int, str]] = []

    def take(self, told: Sequence[Frame]) -> None:
        for frame in told:
            assert frame.position >= self.held
            assert frame.position > self.held or isinstance(frame, Alive | Whole)
            self.held = frame.position
            match frame:
                case Whole(cards=cards):
                    self.cards = {card.conversation_id: card for card in cards}
                case Shown(card=card):
                    self.cards[card.conversation_id] = card
                case Gone(conversation_id=gone):
                    del self.cards[gone]  # a KeyError: told of a card that was not in the view
                case Alive():
                    pass


@given(histories(), people, st.integers(0, 2**32))
@settings(max_examples=400, deadline=None)
async def test_dropping_and_resuming_anywhere_ends_in_the_view(
    changes: list[Change], user: str, seed: int
) -> None:
    chance = random.Random(seed)
    replicas = [live(replay=chance.randint(1, 12)) for _ in range(2)]
    read = [0, 0]
    client = Client()
    while min(read) < len(changes):
        if chance.random() < 0.3:  # away for longer
            for which in range(2):
                until = read[which] + chance.randint(0, 15)
                feed(replicas[which], *changes[read[which] : until])
                read[which] = until
        it = chance.choice(replicas)
        watcher = it.watch("acme", user, Role.AGENT, client.held)
        # While it is connected its replica reads some, and the other one lags behind or runs ahead.
        for _ in range(chance.randint(1, 12)):
            reader = chance.randint(0, 1)
            feed(replicas[reader], *changes[read[reader] : read[reader] + 1])
            read[reader] += 1
            if chance.random() < 0.5:
                client.take(await frames(watcher))
        it.leave(watcher)

    end = replicas[0]
    client.take(await frames(end.watch("acme", user, Role.AGENT, client.held)))
    board = end.board
    view = board.view(board.viewer("acme", user, Role.AGENT), end.position)
    assert client.cards == {card.conversation_id: card for card in view.cards}
