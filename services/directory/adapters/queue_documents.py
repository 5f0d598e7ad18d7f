"""Queues as MongoDB stores them, and back. What an older document lacks has its default."""

from datetime import timedelta
from typing import Any

from services.directory.domain.hours import BusinessHours, OpenDate, Span, WeekdaySpan
from services.directory.domain.overflow import End, Farewell, Overflow, ToGroup, ToQueue, Voicemail
from services.directory.domain.queue import USUAL_PAUSE, Queue
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

from .documents import Document, from_ms, to_ms


def from_queue(queue: Queue) -> dict[str, Any]:
    return {
        "display_name": queue.display_name,
        "agent_selection": int(queue.agent_selection),
        "offer_timeout_ms": to_ms(queue.offer_timeout),
        "priority": queue.priority,
        "task_selection": int(queue.task_selection),
        "channels": [_from_channel(it) for it in queue.channels],
        "skills": [
            {"skill_id": it.skill_id, "level": it.level, "preferred": it.preferred}
            for it in queue.skills
        ],
        "relaxations": [
            {"after_ms": to_ms(it.after), "skill_id": it.skill_id, "lower_by": it.lower_by}
            for it in queue.relaxations
        ],
        "weight": queue.weight,
        "sticky": queue.sticky
        and {
            "to": int(queue.sticky.to),
            "window_ms": to_ms(queue.sticky.window),
            "hold_ms": to_ms(queue.sticky.hold),
        },
        "max_wait_ms": to_ms(queue.max_wait),
        "max_waiting": queue.max_waiting,
        "overflow": _from_overflow(queue.overflow),
        "overflow_when_nobody": queue.overflow_when_nobody,
        "business_hours": queue.business_hours and _from_hours(queue.business_hours),
        "after_service": _from_after_service(queue.after_service),
        "on_agent_lost": int(queue.on_agent_lost),
        "ask_again_after_ms": to_ms(queue.ask_again_after),
        "removing_to": queue.removing_to,
    }


def to_queue(document: Document) -> Queue:
    get = document.get
    sticky, hours = get("sticky"), get("business_hours")
    return Queue(
        display_name=document["display_name"],
        agent_selection=AgentSelection(document["agent_selection"]),
        offer_timeout=_span(document["offer_timeout_ms"]),
        priority=document["priority"],
        task_selection=TaskSelection(get("task_selection", TaskSelection.PRIORITY)),
        channels=tuple(_to_channel(it) for it in get("channels", ())),
        skills=tuple(
            SkillNeed(it["skill_id"], it["level"], it["preferred"]) for it in get("skills", ())
        ),
        relaxations=tuple(
            Relaxation(_span(it["after_ms"]), it["lower_by"], it["skill_id"])
            for it in get("relaxations", ())
        ),
        weight=get("weight", 1),
        sticky=sticky
        and Sticky(StickyTo(sticky["to"]), _span(sticky["window_ms"]), _span(sticky["hold_ms"])),
        max_wait=from_ms(get("max_wait_ms")),
        max_waiting=get("max_waiting", 0),
        overflow=_to_overflow(get("overflow")),
        overflow_when_nobody=get("overflow_when_nobody", False),
        business_hours=hours and _to_hours(hours),
        after_service=_to_after_service(get("after_service")),
        on_agent_lost=OnAgentLost(get("on_agent_lost", OnAgentLost.HOLD)),
        ask_again_after=from_ms(get("ask_again_after_ms")) or USUAL_PAUSE,
        removing_to=get("removing_to", ""),
    )


def _from_channel(routing: ChannelRouting) -> dict[str, Any]:
    return {
        "channel": int(routing.channel),
        "agent_selection": routing.agent_selection and int(routing.agent_selection),
        "cost": routing.cost,
        "takes_all": routing.takes_all,
        "interrupts": [int(it) for it in routing.interrupts],
    }


def _to_channel(document: Document) -> ChannelRouting:
    selection = document["agent_selection"]
    return ChannelRouting(
        channel=TaskChannel(document["channel"]),
        agent_selection=AgentSelection(selection) if selection else None,
        cost=document["cost"],
        takes_all=document["takes_all"],
        interrupts=tuple(TaskChannel(it) for it in document["interrupts"]),
    )


def _from_overflow(overflow: Overflow | None) -> dict[str, Any] | None:
    match overflow:
        case ToQueue(queue_id):
            return {"queue_id": queue_id}
        case ToGroup(group_id):
            return {"group_id": group_id}
        case Farewell(text):
            return {"message": text}
        case Voicemail():
            return {"voicemail": True}
        case End():
            return {"end": True}
        case None:
            return None


def _to_overflow(document: Document | None) -> Overflow | None:
    match document:
        case {"queue_id": str(queue_id)}:
            return ToQueue(queue_id)
        case {"group_id": str(group_id)}:
            return ToGroup(group_id)
        case {"message": str(text)}:
            return Farewell(text)
        case {"voicemail": True}:
            return Voicemail()
        case {"end": True}:
            return End()
        case _:
            return None


def _from_hours(hours: BusinessHours) -> dict[str, Any]:
    return {
        "time_zone": hours.time_zone,
        "weekly": [[it.weekday, it.span.opens, it.span.closes] for it in hours.weekly],
        "exceptions": [
            {"date": it.date, "spans": [[span.opens, span.closes] for span in it.spans]}
            for it in hours.exceptions
        ],
        "overflow": _from_overflow(hours.overflow),
    }


def _to_hours(document: Document) -> BusinessHours:
    return BusinessHours(
        time_zone=document["time_zone"],
        weekly=tuple(
            WeekdaySpan(day, Span(opens, closes)) for day, opens, closes in document["weekly"]
        ),
        exceptions=tuple(
            OpenDate(it["date"], tuple(Span(*span) for span in it["spans"]))
            for it in document["exceptions"]
        ),
        overflow=_to_overflow(document["overflow"]),
    )


def _from_after_service(after: AfterService | None) -> dict[str, Any] | None:
    match after:
        case Limited(limit, extension):
            return {"limit_ms": to_ms(limit), "extension_ms": to_ms(extension)}
        case Unlimited():
            return {}
        case None:
            return None


def _to_after_service(document: Document | None) -> AfterService | None:
    if document is None:
        return None
    if "limit_ms" not in document:
        return Unlimited()
    return Limited(_span(document["limit_ms"]), from_ms(document["extension_ms"]))


def _span(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)
