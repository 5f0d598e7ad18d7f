"""Whatever happens to an agent, the badge follows the table; and these checks can fail."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import given

from services.presence.domain import history, presence
from services.presence.domain.bans import Ban, Policy, WayBack
from services.presence.domain.presence import Presence
from services.presence.domain.status import Cause, Stage, badge
from tests.unit.presence.life import TABLE, Life, Move, moves, policies

Plant = Callable[[pytest.MonkeyPatch], None]


@given(moves, policies)
def test_a_life_at_random_keeps_to_the_table(told: list[Move], policy: Policy) -> None:
    Life(policy).live(told)


def next_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    work = Presence.work
    patch.setattr(
        Presence,
        "work",
        lambda it, now, stage: work(replace(it, next=None) if it.next else it, now, stage),
    )


def a_choice_applies_at_once(patch: pytest.MonkeyPatch) -> None:
    choose = Presence.choose
    patch.setattr(
        Presence,
        "choose",
        lambda it, now, chosen, by="": replace(choose(it, now, chosen, by=by), intent=chosen),
    )


def a_ban_does_not_show(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(presence, "badge", lambda **facts: badge(**{**facts, "banned": False}))


def a_work_that_ends_bans(patch: pytest.MonkeyPatch) -> None:
    work = Presence.work

    def banning(it: Presence, now: datetime, stage: Stage) -> Presence:
        after = work(it, now, stage)
        return replace(after, ban=Ban(Cause.WORK)) if after is not it else it

    patch.setattr(Presence, "work", banning)


def a_reload_ends_the_ban(patch: pytest.MonkeyPatch) -> None:
    connect = Presence.connect
    patch.setattr(
        Presence, "connect", lambda it, now, keep: replace(connect(it, now, keep), ban=None)
    )


def a_cool_down_ends_too_early(patch: pytest.MonkeyPatch) -> None:
    cool_down = Presence.cool_down
    patch.setattr(
        Presence,
        "cool_down",
        lambda it, now: cool_down(it, (it.ban and it.ban.until) or now),
    )


def a_change_counts_two(patch: pytest.MonkeyPatch) -> None:
    disconnect = Presence.disconnect

    def twice(it: Presence, now: datetime, cause: Cause) -> Presence:
        after = disconnect(it, now, cause)
        return after if after is it else replace(after, version=after.version + 1)

    patch.setattr(Presence, "disconnect", twice)


def a_day_forgets_what_began_before_it(patch: pytest.MonkeyPatch) -> None:
    spans = history._spans
    patch.setattr(history, "_spans", lambda told, end: list(spans(told, end))[:-1])


@pytest.mark.parametrize(
    "plant",
    [
        next_is_forgotten,
        a_choice_applies_at_once,
        a_ban_does_not_show,
        a_work_that_ends_bans,
        a_reload_ends_the_ban,
        a_cool_down_ends_too_early,
        a_change_counts_two,
        a_day_forgets_what_began_before_it,
    ],
)
def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    dice = Random(7)
    lives = [_drawn(dice) for _ in range(500)]
    _live(lives)
    plant(monkeypatch)

    with pytest.raises(AssertionError):
        _live(lives)


def _live(lives: Iterable[tuple[Policy, list[Move]]]) -> None:
    for policy, told in lives:
        Life(policy).live(told)


def _drawn(dice: Random) -> tuple[Policy, list[Move]]:
    cool_down = timedelta(seconds=dice.randint(1, 200))
    policy = Policy(frozenset(), dice.randint(1, 3), dice.choice(list(WayBack)), cool_down)
    names = sorted(TABLE)
    told = [(dice.choice(names), dice.randint(0, 100), dice.randint(0, 11)) for _ in range(40)]
    return policy, [("connect", 0, 0), ("choose", 1, 0), *told]
