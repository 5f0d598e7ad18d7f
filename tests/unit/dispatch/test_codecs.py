"""Whatever the logs hold is read as it was written, to the last field of the last kind.

A field that a writer or a reader forgets is found here, also one that is added later.
"""

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dispatch.adapters.inputs import decode_input, encode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.domain.decisions import Decision, Reason
from services.dispatch.domain.inputs import Command, Fact, Skills
from services.dispatch.domain.policy import BusinessHours, Overflow, OverflowTo
from services.dispatch.domain.repeatable import Repeatable
from services.dispatch.use_cases.ports import Step

tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=6)
levels = st.dictionaries(tokens, st.integers(1, 5), max_size=2)
overflows = st.one_of(
    st.builds(Overflow, st.sampled_from([OverflowTo.END, OverflowTo.VOICEMAIL])),
    st.builds(
        Overflow,
        st.sampled_from([OverflowTo.QUEUE, OverflowTo.GROUP, OverflowTo.MESSAGE]),
        tokens,
    ),
)
NAMED: dict[str, st.SearchStrategy[Any]] = {
    "tenant_id": st.just("acme"),  # stands once in what holds a task
    "reason": st.sampled_from(Reason),
}
KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: tokens,
    bool: st.booleans(),
    int: st.integers(1, 100),  # within every bound of a reader, and never what stands for *unsaid*
    bytes: st.binary(min_size=8, max_size=8),
    Skills: levels.map(lambda it: tuple(sorted(it.items()))),
    Overflow: overflows,
}


def made(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """Return values of a type, as the router's own are: sorted where they are sorted."""
    found = NAMED.get(name, KNOWN.get(kind))
    if found is not None:
        return found
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        if kind is BusinessHours:
            hints["overflow"] = Overflow  # the writer spells out what was left unsaid
        return st.builds(kind, **{it.name: made(hints[it.name], it.name) for it in fields(kind)})
    return st.sampled_from(kind) if is_enum(kind) else composed(kind)


def composed(kind: Any) -> st.SearchStrategy[Any]:
    of = get_args(kind)
    if get_origin(kind) is not tuple:
        assert isinstance(kind, UnionType), kind
        return st.one_of(*(st.none() if it is NoneType else made(it) for it in of))
    if of[1:] != (Ellipsis,):
        return st.tuples(*map(made, of))
    sorts = of[0] is str or is_enum(of[0])
    return st.lists(made(of[0]), max_size=3).map(
        lambda drawn: tuple(sorted(set(drawn)) if sorts else drawn)
    )


def is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


@pytest.mark.parametrize("kind", [*get_args(Fact), *get_args(Command)])
@settings(max_examples=20, derandomize=True, database=None)
@given(data=st.data())
def test_an_input_is_read_as_it_was_written(kind: Any, data: st.DataObject) -> None:
    it = data.draw(made(kind))
    read = decode_input(encode_input(it))
    if isinstance(read, Repeatable):
        assert read.fingerprint  # made of what is asked by who writes
        read = replace(read, fingerprint=it.fingerprint)
    assert read == it
    assert getattr(read, "again", False) == getattr(it, "again", False)


@pytest.mark.parametrize("kind", get_args(Decision))
@settings(max_examples=20, derandomize=True, database=None)
@given(data=st.data())
def test_a_decision_is_read_as_it_was_written(kind: Any, data: st.DataObject) -> None:
    it = data.draw(made(kind))
    record, _ = encode_record(
        1, [Step(1, 1, (it,))], chain=b"", emitted=0, owner_id="one", goes_on=False
    )
    [step] = decode_record(1, record).steps
    assert step.decisions == (it,)
