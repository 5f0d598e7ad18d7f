"""A leader has the router know the opening hours of the days to come."""

from services.dispatch.domain.inputs import Command, Fact, OpeningsForeseen
from services.dispatch.domain.policy import BusinessHours, Policy, Span
from services.dispatch.use_cases.foresee import DAY_MS, Foresee, foreseen
from services.dispatch.use_cases.ports import Unknown
from tests.streams import until
from tests.unit.dispatch.desk import NINE, Desk

MORNING = BusinessHours("Europe/Madrid", tuple(Span(day, 540, 840) for day in range(1, 8)))


def test_a_queue_is_told_its_openings_once_a_day_and_when_it_changes() -> None:
    desk = Desk()
    desk.queue("sales", policy=Policy(hours=MORNING))
    desk.queue("support")
    (fact,) = foreseen(desk.state, NINE)
    assert len(fact.openings) == 15
    desk.give(fact)
    assert list(foreseen(desk.state, NINE)) == []
    assert list(foreseen(desk.state, NINE + DAY_MS // 2)) == []
    (tomorrow,) = foreseen(desk.state, NINE + DAY_MS)
    assert tomorrow.until == fact.until + DAY_MS
    desk.wait(DAY_MS)
    desk.give(tomorrow)
    assert desk.state.tenants["acme"].hours["sales"].is_open  # ten in the morning in Madrid
    desk.wait(DAY_MS // 6)
    assert not desk.state.tenants["acme"].hours["sales"].is_open  # two in the afternoon
    assert desk.problems == []


def test_one_holiday_does_not_close_a_queue_without_weekly_spans_for_ever() -> None:
    desk = Desk()
    holiday = BusinessHours("UTC", exceptions=(("2026-01-06", ()),))
    desk.queue("sales", policy=Policy(hours=holiday))
    (fact,) = foreseen(desk.state, NINE)
    desk.give(fact)
    hours = desk.state.tenants["acme"].hours
    open_on = []
    for _ in range(3):
        open_on.append(hours["sales"].is_open)
        desk.wait(DAY_MS)
    assert open_on == [True, False, True]
    assert desk.problems == []


def test_a_zone_that_nobody_knows_leaves_the_queue_open() -> None:
    desk = Desk()
    week = (Span(1, 0, 1),)
    for queue_id, zone in (("mars", "Mars/Olympus"), ("none", ""), ("path", "../etc/passwd")):
        desk.queue(queue_id, policy=Policy(hours=BusinessHours(zone, week)))
    for fact in list(foreseen(desk.state, NINE)):
        desk.give(fact)
    assert all(hours.is_open for hours in desk.state.tenants["acme"].hours.values())


class Intake:
    """Takes facts in, but not the first."""

    def __init__(self) -> None:
        self.taken: list[tuple[Fact | Command, str]] = []
        self.asked = 0

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Unknown
        self.taken.append((it, dedup_id))


async def test_what_did_not_get_in_is_told_again() -> None:
    desk, intake = Desk(), Intake()
    desk.queue("sales", policy=Policy(hours=MORNING))
    async with Foresee(intake, lambda: NINE)(0, desk.state):
        await until(lambda: bool(intake.taken))
    (it, dedup_id) = intake.taken[0]
    assert isinstance(it, OpeningsForeseen)
    assert dedup_id.startswith("openings-acme/sales/1/")
