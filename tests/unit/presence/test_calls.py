"""A call is the same whatever the order in which its events come, and however often."""

from collections.abc import Callable
from itertools import permutations
from random import Random

import pytest

from services.presence.domain.calls import Call
from services.presence.domain.status import Stage

Fold = Callable[[Call], Call]

CALL = Call("acme", "call-1")


def story(*folds: Fold) -> Call:
    it = CALL
    for fold in folds:
        it = fold(it)
    return it


def stages(it: Call) -> dict[str, Stage]:
    return {one: it.stage_of(one) for one in ("ana", "ben", "cat")}


GROUP_CALL: list[tuple[Fold, dict[str, Stage]]] = [
    (lambda it: it.rung(2, "ana"), {"ana": Stage.DIALING}),
    (lambda it: it.rung(3, "ben"), {"ben": Stage.DIALING}),
    (lambda it: it.rings_no_more(4, "ana"), {"ana": Stage.NONE}),
    (lambda it: it.held(5, "ben", Stage.IN_SERVICE), {"ben": Stage.IN_SERVICE}),
    (lambda it: it.let_go(6), {"ben": Stage.NONE}),
    (lambda it: it.rung(7, "cat"), {"cat": Stage.DIALING}),
    (lambda it: it.held(8, "cat", Stage.IN_SERVICE), {"cat": Stage.IN_SERVICE}),
    (lambda it: it.held(9, "cat", Stage.AFTER_SERVICE), {"cat": Stage.AFTER_SERVICE}),
    (lambda it: it.let_go(10), {"cat": Stage.NONE}),
]
FOLDS = [fold for fold, _ in GROUP_CALL]


def test_a_call_moves_from_agent_to_agent() -> None:
    it, expected = CALL, dict.fromkeys(("ana", "ben", "cat"), Stage.NONE)
    for fold, change in GROUP_CALL:
        after = fold(it)
        expected |= change
        assert stages(after) == expected
        assert it.moved(after) == set(change)
        assert after.busy == {one for one, stage in expected.items() if stage is not Stage.NONE}
        it = after


@pytest.mark.parametrize("upto", range(1, len(FOLDS) + 1))
def test_the_order_of_the_events_does_not_matter(upto: int) -> None:
    told = FOLDS[:upto]
    rightly = stages(story(*told))
    orders = permutations(told) if upto < 6 else _shuffled(told)
    for order in orders:
        twice = story(*order, *order)
        assert stages(twice) == rightly


def test_who_hears_an_event_again_looks_after_everybody_it_may_have_moved() -> None:
    it = story(*FOLDS[:5])

    assert it.moved(FOLDS[3](it)) == {"ana", "ben"}


def test_a_call_given_to_a_colleague_leaves_the_first() -> None:
    it = story(
        lambda it: it.held(2, "ana", Stage.IN_SERVICE),
        lambda it: it.held(3, "ben", Stage.IN_SERVICE),
    )

    assert it.busy == {"ben"}


def _shuffled(told: list[Fold]) -> list[list[Fold]]:
    dice = Random(3)
    return [dice.sample(told, len(told)) for _ in range(300)]
