"""The same inputs make the same bytes (R19), and the state is the fold of the journal (R13)."""

from collections.abc import Sequence

from services.dispatch.adapters.inputs import decode_input
from services.dispatch.adapters.recordings import chained
from services.dispatch.adapters.records import decode_record
from services.dispatch.adapters.snapshots import read_snapshot, write_snapshot
from services.dispatch.domain.state import State, evolve
from services.dispatch.use_cases.ports import Entry, Position
from services.dispatch.use_cases.replay import Replay
from tests.faults.journal_reader import Stored


def decided_again(inputs: Sequence[Stored], records: Sequence[Stored]) -> list[str]:
    """Decide everything once more, from nothing, and compare the hash chain."""
    replay = Replay(chained, State(), Position())
    for it in inputs:
        replay.take(Entry(it.sequence, it.at, decode_input(it.data)))
    for record in records:
        divergence = replay.take(decode_record(record.sequence, record.data))
        if divergence is not None:
            return [f"{divergence.record}: decided again, {divergence.cause}"]
    return []


def folded_from(snapshot: bytes, records: Sequence[Stored]) -> list[str]:
    """Compare the fold of everything with the fold of what came after the snapshot."""
    if not snapshot:
        return []
    state, position = read_snapshot(snapshot)
    one, other = _fold(State(), 0, records), _fold(state, position.sequence, records)
    same = write_snapshot(one, Position()) == write_snapshot(other, Position())
    return [] if same else ["the snapshot is not the fold of the journal before it"]


def _fold(state: State, after: int, records: Sequence[Stored]) -> State:
    for stored in records:
        if stored.sequence > after:
            for made in decode_record(stored.sequence, stored.data).steps:
                for decision in made.decisions:
                    evolve(state, decision, made.at)
    return state
