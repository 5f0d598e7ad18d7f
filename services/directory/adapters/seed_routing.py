"""Queues, groups and the presence policy as the seed file writes them."""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from centralita.directory.v1 import resources_pb2

from services.directory.domain.group import Group, RingStrategy
from services.directory.domain.hours import BusinessHours, OpenDate, Span, WeekdaySpan
from services.directory.domain.overflow import End, Farewell, Overflow, ToGroup, ToQueue, Voicemail
from services.directory.domain.presence_policy import CustomStatus, PresencePolicy, WayBack
from services.directory.domain.queue import USUAL_PAUSE, USUAL_PRIORITY, USUAL_RING, Queue
from services.directory.domain.routing import (
    AfterService,
    AgentSelection,
    ChannelRouting,
    Limited,
    OnAgentLost,
    Relaxation,
    SkillNeed,
    Sticky,
    StickyTo,
    TaskChannel,
    TaskSelection,
    Unlimited,
)

from .seed_table import SeedInvalid, Table, built

T = TypeVar("T")

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SPAN = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)


def queue_of(table: Table) -> Queue:
    return Queue(
        display_name=table.text("display_name", resources_pb2.Queue),
        agent_selection=table.choice(
            "agent_selection", AgentSelection, AgentSelection.LONGEST_IDLE
        ),
        offer_timeout=table.seconds("offer_timeout", USUAL_RING),
        priority=table.take("priority", int, USUAL_PRIORITY),
        task_selection=table.choice("task_selection", TaskSelection, TaskSelection.PRIORITY),
        channels=tuple(
            built(it, partial(_channel, name)) for name, it in table.tables("channels").items()
        ),
        skills=tuple(built(it, _need) for it in table.rows("skills")),
        relaxations=tuple(built(it, _relaxation) for it in table.rows("relaxations")),
        weight=table.take("weight", int, 1),
        sticky=_optional(table, "sticky", _sticky),
        max_wait=table.maybe_seconds("max_wait"),
        max_waiting=table.take("max_waiting", int, 0),
        overflow=_optional(table, "overflow", _overflow),
        overflow_when_nobody=table.take("overflow_when_nobody", bool, default=False),
        business_hours=_optional(table, "business_hours", _hours),
        after_service=_optional(table, "after_service", _after_service),
        on_agent_lost=table.choice("on_agent_lost", OnAgentLost, OnAgentLost.HOLD),
        ask_again_after=table.seconds("ask_again_after", USUAL_PAUSE),
    ).checked()


def group_of(table: Table) -> Group:
    return Group(
        display_name=table.text("display_name", resources_pb2.Group),
        user_ids=table.words("users"),
        ring_strategy=table.choice("ring_strategy", RingStrategy, RingStrategy.SIMULTANEOUS),
        ring_timeout=table.seconds("ring_timeout", USUAL_RING),
        ask_again_after=table.seconds("ask_again_after", USUAL_PAUSE),
    ).checked()


def policy_of(table: Table) -> PresencePolicy:
    usual = PresencePolicy()
    statuses = table.tables("custom_statuses")
    return PresencePolicy(
        custom_statuses=tuple(built(it, partial(_status, key)) for key, it in statuses.items()),
        banned_after=table.take("banned_after", int, usual.banned_after),
        way_back=table.choice("way_back", WayBack, usual.way_back),
        cool_down=table.maybe_seconds("cool_down"),
        chat_capacity=table.take("chat_capacity", int, usual.chat_capacity),
    ).checked()


def _optional(table: Table, key: str, build: Callable[[Table], T]) -> T | None:
    inner = table.table(key)
    return built(inner, build) if inner else None


def _status(key: str, table: Table) -> CustomStatus:
    shown = table.text("display_name", resources_pb2.CustomStatus)
    return CustomStatus(key, shown, table.maybe_seconds("remind_after"))


def _channel(name: str, table: Table) -> ChannelRouting:
    chosen = table.take("agent_selection", str, "")
    return ChannelRouting(
        channel=table.member("channel", TaskChannel, name),
        agent_selection=table.member("agent_selection", AgentSelection, chosen) if chosen else None,
        cost=table.take("cost", int, 1),
        takes_all=table.take("takes_all", bool, default=False),
        interrupts=table.choices("interrupts", TaskChannel),
    )


def _need(table: Table) -> SkillNeed:
    skill, level = table.take("skill", str), table.take("level", int)
    return SkillNeed(skill, level, table.take("preferred", bool, default=False))


def _relaxation(table: Table) -> Relaxation:
    after, lower_by = table.seconds("after"), table.take("lower_by", int)
    return Relaxation(after, lower_by, table.take("skill", str, ""))


def _sticky(table: Table) -> Sticky:
    usual = Sticky(StickyTo.LAST)
    window = table.seconds("window", usual.window)
    return Sticky(table.choice("to", StickyTo), window, table.seconds("hold", usual.hold))


def _after_service(table: Table) -> AfterService:
    if table.is_empty():
        return Unlimited()
    return Limited(table.seconds("limit"), table.maybe_seconds("extension"))


def _overflow(table: Table) -> Overflow:
    match table.names():
        case ("queue",):
            return ToQueue(table.take("queue", str))
        case ("group",):
            return ToGroup(table.take("group", str))
        case ("message",):
            return Farewell(table.text("message", resources_pb2.Overflow, "message"))
        case ("voicemail",) if table.take("voicemail", bool):
            return Voicemail()
        case ("end",) if table.take("end", bool):
            return End()
        case _:
            raise SeedInvalid(
                f"{table.place}: must be one of queue, group, message, voicemail = true, end = true"
            )


def _hours(table: Table) -> BusinessHours:
    return BusinessHours(
        time_zone=table.take("time_zone", str),
        weekly=_optional(table, "weekly", _week) or (),
        exceptions=_optional(table, "exceptions", _dates) or (),
        overflow=_optional(table, "overflow", _overflow),
    )


def _week(table: Table) -> tuple[WeekdaySpan, ...]:
    return tuple(
        WeekdaySpan(number, span)
        for number, name in enumerate(WEEK, start=1)
        for span in _spans(table, name)
    )


def _dates(table: Table) -> tuple[OpenDate, ...]:
    return tuple(OpenDate(it, _spans(table, it)) for it in table.names())


def _spans(table: Table, key: str) -> tuple[Span, ...]:
    """Return the spans of a list such as ["09:00-14:00", "16:00-24:00"]."""
    found = [SPAN.fullmatch(text) for text in table.words(key)]
    minutes = [[int(number) for number in it.groups()] for it in found if it is not None]
    if len(minutes) < len(found):
        raise SeedInvalid(f"{table.place}.{key}: must be spans such as 09:00-14:00")
    return tuple(Span(a * 60 + b, c * 60 + d) for a, b, c, d in minutes)
