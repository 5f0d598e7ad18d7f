"""What a queue, a group, a user and a policy may say about routing, at the edges of each rule."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.directory.domain.errors import FieldInvalid
from services.directory.domain.group import Group
from services.directory.domain.hours import BusinessHours, OpenDate, Span, WeekdaySpan
from services.directory.domain.overflow import End, Farewell, Overflow, ToGroup, ToQueue, Voicemail
from services.directory.domain.presence_policy import CustomStatus, PresencePolicy, WayBack
from services.directory.domain.queue import Queue
from services.directory.domain.routing import (
    AgentSelection,
    ChannelRouting,
    Limited,
    Relaxation,
    SkillLevel,
    SkillNeed,
    Sticky,
    StickyTo,
    TaskChannel,
    Unlimited,
)
from services.directory.domain.user import Role, User

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TINY = timedelta(milliseconds=1)
MADRID = "Europe/Madrid"


def queue(**said: Any) -> Queue:
    return Queue("Q", **said)


def user(**said: Any) -> User:
    return User("ana@x.example", "Ana", Role.AGENT, **said)


def open_on(*spans: WeekdaySpan, dates: tuple[OpenDate, ...] = (), zone: str = MADRID) -> Queue:
    return queue(business_hours=BusinessHours(zone, spans, dates))


def monday(opens: int, closes: int) -> WeekdaySpan:
    return WeekdaySpan(1, Span(opens, closes))


def sticky(window: timedelta = HOUR, hold: timedelta = SECOND) -> Queue:
    return queue(sticky=Sticky(StickyTo.LAST, window, hold))


def after(limit: timedelta, extension: timedelta | None = None) -> Queue:
    return queue(after_service=Limited(limit, extension))


def steps(*after: timedelta) -> Queue:
    return queue(relaxations=tuple(Relaxation(it, 1) for it in after))


def policy(**said: Any) -> PresencePolicy:
    return PresencePolicy(**said)


def status(name: str = "Lunch", remind_after: timedelta | None = None) -> PresencePolicy:
    return policy(custom_statuses=(CustomStatus("lunch", name, remind_after),))


GOOD: list[Queue | Group | User | PresencePolicy] = [
    user(skills=(SkillLevel("a", 1), SkillLevel("b", 5))),
    queue(weight=1),
    queue(weight=100),
    queue(max_wait=SECOND),
    queue(max_wait=timedelta(days=7)),
    queue(max_waiting=100_000),
    queue(skills=(SkillNeed("a", 1), SkillNeed("b", 5, preferred=True))),
    steps(SECOND, SECOND + TINY, timedelta(hours=24)),
    queue(relaxations=(Relaxation(SECOND, 1, "a"), Relaxation(SECOND * 2, 5))),
    queue(channels=(ChannelRouting(TaskChannel.CHAT, cost=50),)),
    sticky(window=MINUTE, hold=timedelta()),
    sticky(window=timedelta(days=90), hold=MINUTE * 10),
    queue(overflow=Farewell("x" * 1000)),
    queue(overflow=Voicemail()),
    queue(overflow=End()),
    after(SECOND, HOUR),
    after(HOUR, SECOND),
    queue(after_service=Unlimited()),
    open_on(monday(0, 1), monday(1, 1439), monday(1439, 1440)),
    open_on(dates=(OpenDate("2028-02-29"),)),
    open_on(zone="America/Argentina/Buenos_Aires"),
    Group("G", ring_timeout=SECOND),
    Group("G", ring_timeout=MINUTE * 10),
    Group("G", ask_again_after=SECOND * 5),
    Group("G", ask_again_after=HOUR),
    queue(ask_again_after=SECOND * 5),
    queue(ask_again_after=HOUR),
    policy(banned_after=20),
    policy(way_back=WayBack.COOL_DOWN, cool_down=SECOND),
    policy(way_back=WayBack.COOL_DOWN, cool_down=HOUR * 24),
    status("x" * 40, MINUTE),
    status(remind_after=HOUR * 24),
    policy(custom_statuses=tuple(CustomStatus(f"s{n}", "S") for n in range(50))),
]


@pytest.mark.parametrize("said", GOOD)
def test_what_lies_on_the_edge_of_a_rule_passes(
    said: Queue | Group | User | PresencePolicy,
) -> None:
    assert said.checked() == said


BAD: list[tuple[Queue | Group | User | PresencePolicy, str, str]] = [
    (user(skills=(SkillLevel("a", 0),)), "user.skills.level", "range"),
    (user(skills=(SkillLevel("a", 6),)), "user.skills.level", "range"),
    (user(skills=(SkillLevel("a b", 1),)), "user.skills.skill_id", "slug"),
    (user(skills=(SkillLevel("a", 1), SkillLevel("a", 2))), "user.skills.skill_id", "once"),
    (user(skills=tuple(SkillLevel(f"{n}", 1) for n in range(101))), "user.skills", "count"),
    (queue(weight=0), "queue.weight", "range"),
    (queue(weight=101), "queue.weight", "range"),
    (queue(max_wait=SECOND - TINY), "queue.max_wait", "range"),
    (queue(max_wait=timedelta(days=7) + TINY), "queue.max_wait", "range"),
    (queue(max_waiting=100_001), "queue.max_waiting", "range"),
    (queue(skills=(SkillNeed("a", 0),)), "queue.skills.level", "range"),
    (queue(skills=(SkillNeed("a", 6),)), "queue.skills.level", "range"),
    (
        queue(skills=(SkillNeed("a", 1), SkillNeed("a", 1, preferred=True))),
        "queue.skills.skill_id",
        "once",
    ),
    (steps(SECOND - TINY), "queue.relaxations.after", "range"),
    (steps(HOUR * 24 + TINY), "queue.relaxations.after", "range"),
    (steps(SECOND, SECOND), "queue.relaxations.after", "order"),
    (steps(SECOND * 2, SECOND), "queue.relaxations.after", "order"),
    (steps(*(SECOND * n for n in range(1, 52))), "queue.relaxations", "count"),
    (queue(relaxations=(Relaxation(SECOND, 0),)), "queue.relaxations.lower_by", "range"),
    (queue(relaxations=(Relaxation(SECOND, 6),)), "queue.relaxations.lower_by", "range"),
    (queue(relaxations=(Relaxation(SECOND, 1, "a b"),)), "queue.relaxations.skill_id", "slug"),
    (queue(channels=(ChannelRouting(TaskChannel.CHAT, cost=0),)), "queue.channels.cost", "range"),
    (queue(channels=(ChannelRouting(TaskChannel.CHAT, cost=51),)), "queue.channels.cost", "range"),
    (queue(channels=(ChannelRouting(TaskChannel.CALL),) * 2), "queue.channels.channel", "once"),
    (
        queue(channels=(ChannelRouting(TaskChannel.CALL, interrupts=(TaskChannel.CALL,)),)),
        "queue.channels.interrupts",
        "other",
    ),
    (sticky(window=MINUTE - TINY), "queue.sticky.window", "range"),
    (sticky(window=timedelta(days=90) + TINY), "queue.sticky.window", "range"),
    (sticky(hold=-TINY), "queue.sticky.hold", "range"),
    (sticky(hold=MINUTE * 10 + TINY), "queue.sticky.hold", "range"),
    (queue(overflow=ToQueue("")), "queue.overflow.queue_id", "slug"),
    (queue(overflow=ToGroup("a/b")), "queue.overflow.group_id", "slug"),
    (after(SECOND - TINY), "queue.after_service.limit", "range"),
    (after(HOUR + TINY), "queue.after_service.limit", "range"),
    (after(HOUR, timedelta()), "queue.after_service.extension", "range"),
    (after(HOUR, HOUR + TINY), "queue.after_service.extension", "range"),
    (open_on(zone=""), "queue.business_hours.time_zone", "time_zone"),
    (open_on(zone="Europe/Atlantis"), "queue.business_hours.time_zone", "time_zone"),
    (open_on(zone="Europe"), "queue.business_hours.time_zone", "time_zone"),
    (open_on(zone="../../etc/localtime"), "queue.business_hours.time_zone", "time_zone"),
    (open_on(WeekdaySpan(0, Span(0, 1))), "queue.business_hours.weekly.weekday", "range"),
    (open_on(WeekdaySpan(8, Span(0, 1))), "queue.business_hours.weekly.weekday", "range"),
    (open_on(monday(1440, 1440)), "queue.business_hours.weekly.opens", "range"),
    (open_on(monday(0, 1441)), "queue.business_hours.weekly.closes", "range"),
    (open_on(monday(60, 60)), "queue.business_hours.weekly.closes", "order"),
    (open_on(monday(60, 59)), "queue.business_hours.weekly.closes", "order"),
    (open_on(monday(0, 61), monday(60, 90)), "queue.business_hours.weekly", "overlap"),
    (open_on(*(monday(n, n + 1) for n in range(101))), "queue.business_hours.weekly", "count"),
    (open_on(dates=(OpenDate("2026-02-29"),)), "queue.business_hours.exceptions.date", "date"),
    (open_on(dates=(OpenDate("20261225"),)), "queue.business_hours.exceptions.date", "date"),
    (open_on(dates=(OpenDate("2026-12-25"),) * 2), "queue.business_hours.exceptions.date", "once"),
    (
        open_on(dates=(OpenDate("2026-12-25", (Span(0, 61), Span(60, 90))),)),
        "queue.business_hours.exceptions.spans",
        "overlap",
    ),
    (
        open_on(dates=tuple(OpenDate(f"{n:04}-01-01") for n in range(1, 402))),
        "queue.business_hours.exceptions",
        "count",
    ),
    (
        queue(business_hours=BusinessHours(MADRID, overflow=ToQueue("a b"))),
        "queue.business_hours.overflow.queue_id",
        "slug",
    ),
    (Group("G", ring_timeout=SECOND - TINY), "group.ring_timeout", "range"),
    (Group("G", ring_timeout=MINUTE * 10 + TINY), "group.ring_timeout", "range"),
    (Group("G", ask_again_after=SECOND * 5 - TINY), "group.ask_again_after", "range"),
    (Group("G", ask_again_after=HOUR + TINY), "group.ask_again_after", "range"),
    (queue(ask_again_after=SECOND * 5 - TINY), "queue.ask_again_after", "range"),
    (queue(ask_again_after=HOUR + TINY), "queue.ask_again_after", "range"),
    (policy(banned_after=0), "presence_policy.banned_after", "range"),
    (policy(banned_after=21), "presence_policy.banned_after", "range"),
    (policy(way_back=WayBack.COOL_DOWN), "presence_policy.cool_down", "way_back"),
    (policy(cool_down=HOUR), "presence_policy.cool_down", "way_back"),
    (
        policy(way_back=WayBack.COOL_DOWN, cool_down=SECOND - TINY),
        "presence_policy.cool_down",
        "range",
    ),
    (
        policy(way_back=WayBack.COOL_DOWN, cool_down=HOUR * 24 + TINY),
        "presence_policy.cool_down",
        "range",
    ),
    (status("L", MINUTE - TINY), "presence_policy.custom_statuses.remind_after", "range"),
    (status("L", HOUR * 24 + TINY), "presence_policy.custom_statuses.remind_after", "range"),
    (
        policy(custom_statuses=(CustomStatus("a b", "L"),)),
        "presence_policy.custom_statuses.status_id",
        "slug",
    ),
    (
        policy(custom_statuses=(CustomStatus("a", "L"), CustomStatus("a", "M"))),
        "presence_policy.custom_statuses.status_id",
        "once",
    ),
    (
        policy(custom_statuses=tuple(CustomStatus(f"s{n}", "S") for n in range(51))),
        "presence_policy.custom_statuses",
        "count",
    ),
]


@pytest.mark.parametrize(("said", "field", "rule"), BAD)
def test_what_lies_behind_the_edge_is_refused_with_its_field_and_rule(
    said: Queue | Group | User | PresencePolicy, field: str, rule: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        said.checked()
    assert refused.value.details == {"field": field, "rule": rule}
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (sticky(window=timedelta()).checked, "send 1 min to 90 days."),
        (queue(max_wait=timedelta()).checked, "send 1 s to 7 days."),
        (steps(timedelta()).checked, "send 1 s to 24 h."),
        (sticky(hold=-SECOND).checked, "send 0 s to 10 min."),
    ],
)
def test_a_refused_span_is_answered_in_units_that_people_use(
    check: Callable[[], object], sentence: str
) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check()
    assert str(refused.value).endswith(sentence)


def test_what_has_no_order_of_its_own_is_kept_in_one_and_what_has_one_keeps_it() -> None:
    said = user(
        skills=(SkillLevel("b", 1), SkillLevel("a", 2)),
        channels=(TaskChannel.CALL, TaskChannel.CHAT, TaskChannel.CALL),
    ).checked()
    assert [it.skill_id for it in said.skills] == ["a", "b"]
    assert said.channels == (TaskChannel.CHAT, TaskChannel.CALL)
    kept = open_on(monday(600, 700), WeekdaySpan(7, Span(0, 1)), monday(0, 600)).checked()
    assert kept.business_hours is not None
    assert kept.business_hours.weekly == (
        monday(0, 600),
        monday(600, 700),
        WeekdaySpan(7, Span(0, 1)),
    )
    assert Group("G", ("sam", "ana", "sam")).checked().user_ids == ("sam", "ana")
    shown = (CustomStatus("z", "Z"), CustomStatus("a", "A"))
    assert policy(custom_statuses=shown).checked().custom_statuses == shown


def test_a_channel_may_choose_otherwise_than_its_queue() -> None:
    said = queue(
        channels=(
            ChannelRouting(TaskChannel.CALL, AgentSelection.ROUND_ROBIN, takes_all=True),
            ChannelRouting(TaskChannel.CHAT),
        )
    ).checked()
    assert [it.channel for it in said.channels] == [TaskChannel.CHAT, TaskChannel.CALL]
    assert [it.agent_selection for it in said.channels] == [None, AgentSelection.ROUND_ROBIN]


@pytest.mark.parametrize("way", [ToQueue("support"), ToGroup("support"), End()])
@pytest.mark.parametrize("outside", [ToQueue("support"), ToGroup("support"), None])
def test_a_queue_never_overflows_to_itself(way: Overflow, outside: Overflow | None) -> None:
    said = queue(overflow=way, business_hours=BusinessHours(MADRID, overflow=outside))
    said.check_leads_on("sales")
    if ToQueue("support") in (way, outside):
        with pytest.raises(FieldInvalid, match="another queue"):
            said.check_leads_on("support")
    else:
        said.check_leads_on("support")


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(1, 1440)), max_size=8))
def test_spans_that_pass_open_no_minute_twice(pairs: list[tuple[int, int]]) -> None:
    wanted = open_on(*(monday(*pair) for pair in pairs))
    minutes = [minute for opens, closes in pairs for minute in range(opens, closes)]
    fine = len(set(minutes)) == len(minutes) and all(opens < closes for opens, closes in pairs)
    try:
        wanted.checked()
    except FieldInvalid:
        assert not fine
    else:
        assert fine
