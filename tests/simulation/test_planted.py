"""The simulation is worth something: each of these loops and buses is caught."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.dispatch.adapters.snapshots import write_snapshot
from services.dispatch.domain.state import State
from services.dispatch.use_cases.fold import Fold
from services.dispatch.use_cases.lead import Lead, _Term
from services.dispatch.use_cases.ports import Entry, Outlet, Position, Shard, Step, Unknown
from tests.faults.journal_reader import Stored
from tests.simulation.bus import Bus
from tests.simulation.history import history
from tests.simulation.quiet import often_saved_and_quiet
from tests.simulation.router import Router, SimulatedOutlet

WORLDS = 60

Patch = pytest.MonkeyPatch

# A leader that is told to end may have a snapshot left that it has not begun to save.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine 'Router._save' was never awaited")


@pytest.fixture(autouse=True)
def _often_saved_and_quiet(monkeypatch: Patch) -> None:
    often_saved_and_quiet(monkeypatch.setattr)


def complaints() -> Iterator[str]:
    """Walk what is wrong in some worlds; one that breaks down names no bug."""
    for seed in range(WORLDS):
        try:
            yield from history(seed).problems
        except (AssertionError, ExceptionGroup, LookupError, ValueError):
            continue


def the_fence_is_ignored(patch: Patch) -> None:
    commit = Bus.commit
    patch.setattr(Bus, "commit", lambda self, data, _: commit(self, data, self.end()))


def it_is_told_before_it_is_committed(patch: Patch) -> None:
    async def turn(self: _Term, batch: list[Entry]) -> None:
        self._sound = False
        if steps := self._decide(batch):
            cursor = batch[-1].sequence if batch else self._position.cursor
            await self._outlet.emit(self._position.sequence + 1, steps)
            self._position = await self._ports.journal.append(
                self._shard,
                cursor,
                steps,
                since=self._position,
                emitted=self._outlet.emitted,
                goes_on=False,
            )
        self._sound = True

    patch.setattr(_Term, "turn", turn)


def answers_are_given_before_the_append(patch: Patch) -> None:
    append = Router.append

    async def hasty(
        self: Router, shard: Shard, cursor: int, steps: Sequence[Step], **more: Any
    ) -> Position:
        outlet = SimulatedOutlet(self, 0)
        await outlet.emit(0, steps)
        return await append(self, shard, cursor, steps, **more)

    patch.setattr(Router, "append", hasty)


def what_was_in_the_batch_is_dropped_at_a_crash(patch: Patch) -> None:
    """Go on where the log ends, as a consumer does that acknowledges what it has only read."""
    follow = Router.follow

    def newest(self: Router, shard: Shard, after: int) -> AsyncGenerator[list[Entry], None]:
        ended = self.bus.inputs[-1].sequence if after and self.bus.inputs else after
        return follow(self, shard, max(after, ended))

    patch.setattr(Router, "follow", newest)


def an_input_is_passed_over(patch: Patch) -> None:
    decide = _Term._decide

    def careless(self: _Term, batch: list[Entry]) -> list[Step]:
        return decide(self, batch[1:] if len(batch) > 2 else batch)

    patch.setattr(_Term, "_decide", careless)


def timers_that_fell_due_without_a_leader_are_forgotten(patch: Patch) -> None:
    catch_up = Fold.catch_up

    async def forgetful(self: Fold) -> None:
        begins = self.saved is None
        await catch_up(self)
        if begins:
            now = self._ports.clock()
            due_at = self.state.timers._due_at
            self.state.timers._due_at = lambda it: at if (at := due_at(it)) > now else 0

    patch.setattr(Fold, "catch_up", forgetful)


def a_successor_folds_again_what_it_has_folded(patch: Patch) -> None:
    catch_up = Fold.catch_up

    async def from_the_snapshot_on(self: Fold) -> None:
        if self.saved is not None:
            self.position = self.saved
        await catch_up(self)

    patch.setattr(Fold, "catch_up", from_the_snapshot_on)


def nothing_is_told_again(patch: Patch) -> None:
    async def silent(*_: object) -> None:
        pass

    patch.setattr(Lead, "_tell_again", silent)


def it_counts_as_out_before_it_is(patch: Patch) -> None:
    emit = SimulatedOutlet.emit

    async def hopeful(self: SimulatedOutlet, record: int, steps: Sequence[Step]) -> None:
        await emit(self, record, steps)
        self._emitted = record

    patch.setattr(SimulatedOutlet, "emit", hopeful)


def an_unknown_outcome_is_taken_for_none(patch: Patch) -> None:
    """Go on with the state that was decided on, and append again behind it."""
    turn = _Term.turn

    async def stubborn(self: _Term, batch: list[Entry]) -> None:
        try:
            await turn(self, batch)
        except Unknown:
            self._sound = True

    patch.setattr(_Term, "turn", stubborn)


def an_unknown_outcome_is_taken_for_success(patch: Patch) -> None:
    append = Router.append

    async def confident(
        self: Router, shard: Shard, cursor: int, steps: Sequence[Step], **more: Any
    ) -> Position:
        try:
            return await append(self, shard, cursor, steps, **more)
        except Unknown:
            since: Position = more["since"]
            return replace(since, sequence=self.bus.end(), cursor=cursor)

    patch.setattr(Router, "append", confident)


def what_is_not_committed_is_saved(patch: Patch) -> None:
    """Photograph the state between deciding and appending."""
    append = Router.append

    async def early(
        self: Router, shard: Shard, cursor: int, steps: Sequence[Step], **more: Any
    ) -> Position:
        # The state has the steps folded in already; the position says it has not.
        self.bus.snapshot = write_snapshot(states[-1], more["since"])
        return await append(self, shard, cursor, steps, **more)

    states: list[State] = []
    decide = _Term._decide

    def noting(self: _Term, batch: list[Entry]) -> list[Step]:
        states.append(self._state)
        return decide(self, batch)

    patch.setattr(_Term, "_decide", noting)
    patch.setattr(Router, "append", early)


def an_event_is_dropped(patch: Patch) -> None:
    publish = Bus.publish

    def dropping(self: Bus, event: Stored) -> None:
        if not event.headers["ce-id"].endswith("7-1"):
            publish(self, event)

    patch.setattr(Bus, "publish", dropping)


def events_overtake_each_other(patch: Patch) -> None:
    emit = SimulatedOutlet.emit

    async def shuffled(self: SimulatedOutlet, record: int, steps: Sequence[Step]) -> None:
        await emit(self, record, steps)
        self._queue.sort(key=lambda it: isinstance(it, int) or "Offered" in it.headers["ce-type"])

    patch.setattr(SimulatedOutlet, "emit", shuffled)


def ids_are_not_of_the_place_in_the_journal(patch: Patch) -> None:
    emit = Lead._tell_again

    async def renamed(self: Lead, shard: Shard, position: Position, outlet: Outlet) -> None:
        class Renaming:
            async def emit(self, record: int, steps: Sequence[Step]) -> None:
                await outlet.emit(record + 1_000_000, steps)

        await emit(self, shard, position, Renaming())  # type: ignore[arg-type] # planted

    patch.setattr(Lead, "_tell_again", renamed)


def the_clock_of_the_machine_decides(patch: Patch) -> None:
    """Let a step be as late or early as the machine believes, whatever was decided before."""
    step = _Term._step

    def believing(self: _Term, sequence: int, it: Any, at: int, steps: list[Step]) -> bool:
        return step(self, sequence, it, self._ports.clock() if sequence else at, steps)

    patch.setattr(_Term, "_step", believing)


PLANTS: dict[Callable[[Patch], None], str] = {
    the_fence_is_ignored: "chain broken: decided on another past",
    it_is_told_before_it_is_committed: "was never decided",
    answers_are_given_before_the_append: "was told done, not OFFER_NOT_YOURS",
    what_was_in_the_batch_is_dropped_at_a_crash: "was lost: ",
    an_input_is_passed_over: "was lost: ",
    timers_that_fell_due_without_a_leader_are_forgotten: "rings beyond its deadline",
    a_successor_folds_again_what_it_has_folded: "the snapshot is not the fold of the journal",
    nothing_is_told_again: "was not told",
    it_counts_as_out_before_it_is: "was not told",
    an_unknown_outcome_is_taken_for_none: "was lost: a command is answered once",
    an_unknown_outcome_is_taken_for_success: "chain broken: decided on another past",
    what_is_not_committed_is_saved: "the snapshot is not the fold of the journal",
    an_event_is_dropped: "was not told",
    events_overtake_each_other: "came after a later one of its task",
    ids_are_not_of_the_place_in_the_journal: "was never decided",
    the_clock_of_the_machine_decides: "time falls",
}
"""What of the worlds' complaints names the bug."""


@pytest.mark.parametrize(
    ("plant", "words"), PLANTS.items(), ids=lambda it: getattr(it, "__name__", "")
)
def test_a_router_is_caught_in_which(
    plant: Callable[[Patch], None], words: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch)
    assert any(words in problem for problem in complaints())


def test_worlds_in_which_nothing_is_planted_have_no_fault() -> None:
    assert not [problem for seed in range(WORLDS) for problem in history(seed).problems]
