"""Timers hold no truth: the state says when each is due, however often it was set."""

import pytest

from services.dispatch.domain.timers import OfferRangOut, Timer, Timers


@pytest.fixture
def moments() -> dict[Timer, int]:
    return {}


@pytest.fixture
def timers(moments: dict[Timer, int]) -> Timers:
    return Timers(lambda it: moments.get(it, 0))


def task(task_id: str) -> OfferRangOut:
    return OfferRangOut("acme", task_id)


def test_the_earliest_comes_first_and_of_the_same_moment_not_the_one_set_first(
    timers: Timers, moments: dict[Timer, int]
) -> None:
    moments |= {task("late"): 9, task("b"): 5, task("a"): 5}
    for it, due_at in moments.items():
        timers.set(it, due_at)
    came = []
    while (timer := timers.next()) is not None:
        came.append(timer)
        del moments[timer[1]]
    assert came == [(5, task("a")), (5, task("b")), (9, task("late"))]


def test_a_timer_whose_moment_moved_comes_at_the_new_one_only(
    timers: Timers, moments: dict[Timer, int]
) -> None:
    for moment in (5, 3, 7):
        moments[task("t1")] = moment
        timers.set(task("t1"), moment)
    assert timers.next() == (7, task("t1"))
    moments.clear()
    assert timers.next() is None


def test_what_has_no_moment_is_not_waited_for(timers: Timers) -> None:
    timers.set(task("t1"), 0)
    assert timers.next() is None


def test_timers_that_never_surface_do_not_pile_up(
    timers: Timers, moments: dict[Timer, int]
) -> None:
    moments[task("soon")] = 1
    timers.set(task("soon"), 1)
    for number in range(50_000):
        moments[task(f"t{number}")] = 7 * 24 * 3_600_000
        timers.set(task(f"t{number}"), moments[task(f"t{number}")])
        if number >= 10:
            del moments[task(f"t{number - 10}")]
    assert len(timers) < 3_000
