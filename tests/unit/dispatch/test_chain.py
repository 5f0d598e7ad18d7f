"""A journal is read through whatever else lies in it, and never past what is not understood."""

from datetime import UTC, datetime

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire
from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.adapters.chain import Chain, leading_to
from services.dispatch.adapters.records import encode_record, next_chain
from services.dispatch.domain.decisions import QueueTurned
from services.dispatch.use_cases.ports import Newer, Position, Step, Torn
from services.kernel.tail import Tailed

ACK = b'{"stream":"SUBMISSIONS","seq":7}'
NOTHING = (b"", b"{}", ACK, b"\xff" * 16, b"\x1a\x10" + b"x" * 16, b"\x08\x07")
"""What can lie in a journal and never was a record of any."""


def journal(length: int) -> list[bytes]:
    chain, records = b"", []
    for number in range(1, length + 1):
        steps = [Step(number, number, (QueueTurned("acme", f"q-{number}", True, 0),))]
        data, chain = encode_record(number, steps, chain=chain, emitted=0, owner_id="one")
        records.append(data)
    return records


def forged(body: bytes, before: bytes) -> tuple[bytes, bytes]:
    """Make a record that goes on from a chain, whatever its body is."""
    chain = next_chain(before, body)
    return body + wire.Record(chain=chain, owner_id="newer").SerializeToString(), chain


@given(
    length=st.integers(0, 6),
    junk=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(NOTHING) | st.binary(max_size=60)), max_size=6
    ),
)
def test_junk_anywhere_in_a_journal_changes_nothing_but_where_it_ends(
    length: int, junk: list[tuple[int, bytes]]
) -> None:
    records = journal(length)
    mixed: list[bytes] = list(records)
    for place, data in junk:
        mixed.insert(min(place, len(mixed)), data)
    chain, read = Chain("journal", Position()), list[Step]()
    for sequence, data in enumerate(mixed, 1):
        record = chain.follow(sequence, data)
        assert record.position.sequence == sequence
        read += record.steps
    assert [step.input_sequence for step in read] == list(range(1, length + 1))
    if not records:
        return
    end = Position(len(mixed), length, wire.Record.FromString(records[-1]).chain)
    messages = [
        Tailed(sequence, datetime.now(UTC), "", {}, data, 0)
        for sequence, data in enumerate(mixed, 1)
    ]
    told = leading_to(end, messages[len(mixed) // 2 :])
    steps = [step.input_sequence for record in told for step in record.steps]
    assert steps == list(range(length - len(steps) + 1, length + 1)), "the last ones, without a gap"


@pytest.mark.parametrize(
    "body",
    [
        wire.Record(steps=[wire.Step(decisions=[wire.Decision()])]).SerializeToString(),
        wire.Record(
            steps=[
                wire.Step(
                    decisions=[wire.Decision(queue_mode_set=wire.QueueModeSet(mode=99))]  # type: ignore[arg-type]
                )
            ]
        ).SerializeToString(),
    ],
    ids=["unknown decision", "unknown value"],
)
def test_a_record_that_goes_on_and_cannot_be_read_is_of_a_newer_version(body: bytes) -> None:
    data, _ = forged(body, b"")
    with pytest.raises(Newer):
        Chain("journal", Position()).follow(1, data)


def test_a_field_that_only_a_newer_version_knows_does_not_make_a_record_foreign() -> None:
    unknown = b"\xf8\x07\x01"
    body = wire.Record(input_cursor=5).SerializeToString() + unknown
    data, _ = forged(body, b"")
    assert Chain("journal", Position()).follow(1, data + unknown).position.cursor == 5


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_journal_from_which_a_record_is_lost_is_not_taken_for_full_of_strangers(
    lost: int,
) -> None:
    records = journal(5)
    del records[lost]
    chain = Chain("journal", Position())
    for sequence, data in enumerate(records[: lost + 1], 1):
        chain.follow(sequence, data)
    with pytest.raises(Torn):
        chain.follow(lost + 2, records[lost + 1])
