"""The loop of one shard: read, decide, commit, tell.

One process leads a shard at a time, and if two believe they do, the journal refuses one of them.
Whatever goes wrong, the leader steps down and forgets its state: the next one folds the journal.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from services.dispatch.domain.engine import step
from services.dispatch.domain.inputs import Input
from services.dispatch.domain.invariants import Broken
from services.kernel.causes import cause_of
from services.kernel.ending import ended, told_to_end
from services.kernel.telemetry import meter

from .fold import Fold
from .news import News
from .ports import (
    Entry,
    Fenced,
    Newer,
    Outlet,
    Ports,
    Position,
    Shard,
    SnapshotLost,
    Step,
    TooLarge,
    Torn,
    Unknown,
)

log = logging.getLogger(__name__)

SNAPSHOT_EVERY_RECORDS = 20_000
SNAPSHOT_EVERY_MS = 60_000
PAUSE_AFTER_TROUBLE_S = 0.5
LOOK_UP_S = 0.25
"""A leader without work looks this often whether it still leads."""
ASIDE_S = 10.0
"""How long a replica that cannot read a journal keeps from taking its shard from who can."""
WHY = {
    Newer: "does not lead: a newer version wrote what stands in the journal; run that version",
    Torn: "does not lead: the journal does not go on from what this replica knows; see the runbook",
    SnapshotLost: "does not lead: nothing replaces the last snapshot, unreadable; see the runbook",
    TooLarge: "does not lead: the bus takes no record as large as one step; raise its max_payload",
}
LAST_WORDS_S = 5.0
FLUSH_S = 0.1
"""What is not told by then is told again by the next leader, who waits for us."""


class Lead:
    """Leads a shard whenever it holds the lease."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._led = meter().create_up_down_counter("centralita.dispatch.shards_led")
        self._unfit = meter().create_up_down_counter("centralita.dispatch.shards_unfit")

    async def __call__(self, shard: Shard) -> None:
        """Run until cancelled."""
        while not told_to_end():
            try:
                await self._term(shard)
            except Fenced:
                log.warning("stepped down: the journal has another writer", extra={"shard": shard})
            except Unknown:
                log.warning("stepped down: the bus did not answer", extra={"shard": shard})
            except (Newer, Torn, SnapshotLost, TooLarge) as unfit:
                await self._stand_aside(shard, unfit)
            except Exception:
                log.exception("stepped down", extra={"shard": shard})
            await asyncio.sleep(PAUSE_AFTER_TROUBLE_S)

    async def _stand_aside(
        self, shard: Shard, unfit: Newer | Torn | SnapshotLost | TooLarge
    ) -> None:
        """Leave the shard to others for a while, and let it show that this replica has to."""
        (record,) = unfit.args
        about: dict[str, int | str] = {"shard": shard, "cause": type(unfit).__name__}
        log.error(WHY[type(unfit)], extra={**about, "sequence": record})
        self._unfit.add(1, about)
        await asyncio.sleep(ASIDE_S)
        self._unfit.add(-1, about)

    async def _term(self, shard: Shard) -> None:
        ports, fold = self._ports, Fold(self._ports, shard)
        async with ports.leases.held(shard, fold.follow) as lease:
            await fold.catch_up()
            ports.checkpoint("folded")
            position = fold.position
            async with (
                ports.outlets.open(shard, position.emitted) as outlet,
                aclosing(ports.inputs.follow(shard, position.cursor)) as entries,
                News(entries) as news,
                AsyncExitStack() as beside,
            ):
                await self._tell_again(shard, position, outlet)
                for duty in ports.duties:
                    await beside.enter_async_context(duty(shard, fold.state))
                log.info("leading", extra={"shard": shard, "sequence": position.sequence})
                term = _Term(ports, shard, fold, outlet)
                self._led.add(1, {"shard": shard})
                try:
                    while lease.holds() and not lease.successor and not told_to_end():
                        await term.turn(await news.within(term.patience()))
                finally:
                    self._led.add(-1, {"shard": shard})
                    await term.close(holds=lease.holds(), warm=bool(lease.successor))
            if successor := lease.successor:
                log.info("passed on", extra={"shard": shard, "successor_id": successor})

    async def _tell_again(self, shard: Shard, position: Position, outlet: Outlet) -> None:
        """Send what the leader before may not have sent; receivers know what they have seen."""
        async with aclosing(self._ports.journal.untold(shard, position)) as journal:
            async for records in journal:
                for record in records:
                    await outlet.emit(record.position.sequence, record.steps)
        self._ports.checkpoint("told again")


class _Term:
    """One leader's time: the state, and how far it is committed and saved."""

    def __init__(self, ports: Ports, shard: Shard, fold: Fold, outlet: Outlet) -> None:
        self._ports = ports
        self._shard = shard
        self._state = fold.state
        self._position = fold.position
        self._outlet = outlet
        self._saved = fold.saved or Position()
        self._saved_at = ports.clock()
        self._saving: asyncio.Task[None] | None = None
        self._sound = True

    def patience(self) -> float:
        """Seconds until the next timer, if it comes before the next look up."""
        timer = self._state.next_timer()
        if timer is None:
            return LOOK_UP_S
        return min(LOOK_UP_S, (timer[0] - self._ports.clock()) / 1000)

    async def turn(self, batch: list[Entry]) -> None:
        """Decide, commit, tell. An exception leaves a state that must not be used again."""
        passed = self._ports.checkpoint
        passed("read")
        self._sound = False
        steps = self._decide(batch)
        passed("decided")
        if steps:
            await self._commit(steps, batch[-1].sequence if batch else self._position.cursor)
        self._sound = True
        if self._snapshot_due():
            self._save()

    async def _commit(self, steps: Sequence[Step], cursor: int, *, goes_on: bool = False) -> None:
        """Write steps down and tell of them: in one record, or in as many as they need."""
        passed = self._ports.checkpoint
        try:
            self._position = await self._ports.journal.append(
                self._shard,
                cursor,
                steps,
                since=self._position,
                emitted=self._outlet.emitted,
                goes_on=goes_on,
            )
        except TooLarge:
            if len(steps) == 1:
                raise
            first, rest = steps[: len(steps) // 2], steps[len(steps) // 2 :]
            read = max(it.input_sequence for it in first)  # timers have none
            await self._commit(first, max(read, self._position.cursor), goes_on=True)
            await self._commit(rest, cursor, goes_on=goes_on)
            return
        passed("committed")
        await self._outlet.emit(self._position.sequence, steps)
        passed("told")

    def _decide(self, batch: list[Entry]) -> list[Step]:
        state, clock = self._state, self._ports.clock
        now = clock()
        steps: list[Step] = []
        for entry in batch:
            self._fire(entry.at, now, steps)
            if entry.input is not None:
                self._step(entry.sequence, entry.input, max(entry.at, now, state.at), steps)
        now = max(clock(), state.at)
        self._fire(now, now, steps)
        return steps

    def _fire(self, until: int, now: int, steps: list[Step]) -> None:
        """Decide on every timer that was due, at the moment it is decided.

        Not at the moment it was due: what is offered instead must ring its whole time, however
        long the shard was without a leader.
        """
        state = self._state
        while (timer := state.next_timer()) is not None and timer[0] <= until:
            if not self._step(0, timer[1], max(timer[0], now, state.at), steps):
                raise Broken(f"{timer[1]} is due, and nothing follows from it")

    def _step(self, sequence: int, it: Input, at: int, steps: list[Step]) -> bool:
        """Decide on one input; say whether anything follows from it."""
        decisions = step(self._state, it, at)
        if decisions:
            steps.append(Step(sequence, at, tuple(decisions)))
        return bool(decisions)

    def _snapshot_due(self) -> bool:
        if self._saving is not None:
            return False
        behind = self._position.sequence - self._saved.sequence
        return behind >= SNAPSHOT_EVERY_RECORDS or (
            behind > 0 and self._ports.clock() - self._saved_at >= SNAPSHOT_EVERY_MS
        )

    def _save(self) -> asyncio.Task[None]:
        self._saved = replace(self._position, emitted=self._outlet.emitted)
        self._saved_at = self._ports.clock()
        saving = self._ports.snapshots.save(self._shard, self._state, self._saved)
        self._saving = asyncio.create_task(saving)
        self._saving.add_done_callback(self._say)
        return self._saving

    def _say(self, saving: asyncio.Task[None]) -> None:
        """Failing to save is harmless: the journal holds everything."""
        self._saving = None
        if not saving.cancelled() and (trouble := saving.exception()):
            fault = None if isinstance(trouble, Unknown) else trouble  # one of ours shows whole
            about = {"shard": self._shard, "cause": cause_of(trouble)}
            log.warning("snapshot not saved", exc_info=fault, extra=about)
        self._ports.checkpoint("saved")

    async def close(self, *, holds: bool, warm: bool) -> None:
        """Leave little for the next leader to do, who has it folded already when `warm`.

        After trouble there is nothing to leave that is worth a wait.
        """
        try:
            if holds and self._sound:
                async with asyncio.timeout(FLUSH_S if warm else LAST_WORDS_S):
                    await self._last_words(warm=warm)
        except TimeoutError:
            log.warning("left without a snapshot", extra={"shard": self._shard})
        finally:
            await ended(self._saving)

    async def _last_words(self, *, warm: bool) -> None:
        if warm:
            await self._outlet.flushed()
            return
        if self._saving is not None:
            await asyncio.wait({self._saving})
        if self._position.sequence > self._saved.sequence:
            await self._outlet.flushed()
            await asyncio.wait({self._save()})
