"""Queues as the protos have them, and back."""

from centralita.directory.v1 import resources_pb2 as pb

from .domain import fields
from .domain.errors import FieldInvalid
from .domain.hours import BusinessHours, OpenDate, Span, WeekdaySpan
from .domain.overflow import End, Farewell, Overflow, ToGroup, ToQueue, Voicemail
from .domain.queue import USUAL_PAUSE, USUAL_PRIORITY, USUAL_RING, Queue
from .domain.routing import (
    USUALLY_REMEMBERED,
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
from .durations import duration, timedelta_of


def to_queue(message: pb.Queue) -> Queue:
    m = message
    return Queue(
        display_name=m.display_name,
        agent_selection=fields.member(
            "queue.agent_selection",
            AgentSelection,
            m.agent_selection or AgentSelection.LONGEST_IDLE,
        ),
        offer_timeout=timedelta_of(m.offer_timeout) if m.HasField("offer_timeout") else USUAL_RING,
        priority=m.priority or USUAL_PRIORITY,
        task_selection=fields.member(
            "queue.task_selection", TaskSelection, m.task_selection or TaskSelection.PRIORITY
        ),
        channels=tuple(_to_channel(it) for it in m.channels),
        skills=tuple(SkillNeed(it.skill_id, it.level, it.preferred) for it in m.skills),
        relaxations=tuple(
            Relaxation(timedelta_of(it.after), it.lower_by, it.skill_id) for it in m.relaxations
        ),
        weight=m.weight or 1,
        sticky=_to_sticky(m.sticky) if m.sticky.to else None,
        max_wait=timedelta_of(m.max_wait) if m.HasField("max_wait") else None,
        max_waiting=m.max_waiting,
        overflow=_to_overflow("queue.overflow", m.overflow) if m.HasField("overflow") else None,
        overflow_when_nobody=m.overflow_when_nobody,
        business_hours=_to_hours(m.business_hours) if m.HasField("business_hours") else None,
        after_service=_to_after_service(m.after_service),
        on_agent_lost=fields.member(
            "queue.on_agent_lost", OnAgentLost, m.on_agent_lost or OnAgentLost.HOLD
        ),
        ask_again_after=(
            timedelta_of(m.ask_again_after) if m.HasField("ask_again_after") else USUAL_PAUSE
        ),
    )


def from_queue(queue_id: str, version: int, queue: Queue) -> pb.Queue:
    message = pb.Queue(
        queue_id=queue_id,
        display_name=queue.display_name,
        agent_selection=pb.AgentSelection.ValueType(queue.agent_selection),
        offer_timeout=duration(queue.offer_timeout),
        priority=queue.priority,
        version=version,
        task_selection=pb.TaskSelection.ValueType(queue.task_selection),
        channels=[_from_channel(it) for it in queue.channels],
        skills=[
            pb.SkillNeed(skill_id=it.skill_id, level=it.level, preferred=it.preferred)
            for it in queue.skills
        ],
        relaxations=[
            pb.Relaxation(after=duration(it.after), skill_id=it.skill_id, lower_by=it.lower_by)
            for it in queue.relaxations
        ],
        weight=queue.weight,
        max_waiting=queue.max_waiting,
        overflow_when_nobody=queue.overflow_when_nobody,
        on_agent_lost=pb.OnAgentLost.ValueType(queue.on_agent_lost),
        ask_again_after=duration(queue.ask_again_after),
        removing_to=queue.removing_to,
    )
    if queue.sticky is not None:
        message.sticky.CopyFrom(_from_sticky(queue.sticky))
    if queue.max_wait is not None:
        message.max_wait.CopyFrom(duration(queue.max_wait))
    if queue.overflow is not None:
        message.overflow.CopyFrom(_from_overflow(queue.overflow))
    if queue.business_hours is not None:
        message.business_hours.CopyFrom(_from_hours(queue.business_hours))
    if queue.after_service is not None:
        message.after_service.CopyFrom(_from_after_service(queue.after_service))
    return message


def to_task_channel(field: str, number: int) -> TaskChannel:
    """Return the kind of work; unspecified is chat, as everywhere."""
    return fields.member(field, TaskChannel, number or TaskChannel.CHAT)


def _to_channel(m: pb.ChannelRouting) -> ChannelRouting:
    return ChannelRouting(
        channel=to_task_channel("queue.channels.channel", m.channel),
        agent_selection=fields.member(
            "queue.channels.agent_selection", AgentSelection, m.agent_selection
        )
        if m.agent_selection
        else None,
        cost=m.cost or 1,
        takes_all=m.takes_all,
        interrupts=tuple(to_task_channel("queue.channels.interrupts", it) for it in m.interrupts),
    )


def _from_channel(routing: ChannelRouting) -> pb.ChannelRouting:
    return pb.ChannelRouting(
        channel=pb.TaskChannel.ValueType(routing.channel),
        agent_selection=pb.AgentSelection.ValueType(routing.agent_selection or 0),
        cost=routing.cost,
        takes_all=routing.takes_all,
        interrupts=[pb.TaskChannel.ValueType(it) for it in routing.interrupts],
    )


def _to_sticky(m: pb.Sticky) -> Sticky:
    return Sticky(
        to=fields.member("queue.sticky.to", StickyTo, m.to),
        window=timedelta_of(m.window) if m.HasField("window") else USUALLY_REMEMBERED,
        hold=timedelta_of(m.hold),
    )


def _from_sticky(sticky: Sticky) -> pb.Sticky:
    return pb.Sticky(
        to=pb.Sticky.To.ValueType(sticky.to),
        window=duration(sticky.window),
        hold=duration(sticky.hold),
    )


def _to_overflow(field: str, m: pb.Overflow) -> Overflow:
    match m.WhichOneof("target"):
        case "queue_id":
            return ToQueue(m.queue_id)
        case "group_id":
            return ToGroup(m.group_id)
        case "message":
            return Farewell(m.message)
        case "voicemail" if m.voicemail:
            return Voicemail()
        case "end" if m.end:
            return End()
        case _:
            raise FieldInvalid(
                field,
                "required",
                "send a queue, a group, a message, voicemail or end, or leave it out.",
            )


def _from_overflow(overflow: Overflow) -> pb.Overflow:
    match overflow:
        case ToQueue(queue_id):
            return pb.Overflow(queue_id=queue_id)
        case ToGroup(group_id):
            return pb.Overflow(group_id=group_id)
        case Farewell(text):
            return pb.Overflow(message=text)
        case Voicemail():
            return pb.Overflow(voicemail=True)
        case End():
            return pb.Overflow(end=True)


def _to_hours(m: pb.BusinessHours) -> BusinessHours:
    field = "queue.business_hours"
    return BusinessHours(
        time_zone=m.time_zone,
        weekly=tuple(WeekdaySpan(it.weekday, Span(it.opens, it.closes)) for it in m.weekly),
        exceptions=tuple(_to_date(f"{field}.exceptions", it) for it in m.exceptions),
        overflow=_to_overflow(f"{field}.overflow", m.overflow) if m.HasField("overflow") else None,
    )


def _to_date(field: str, m: pb.OpenDate) -> OpenDate:
    if any(it.weekday for it in m.spans):
        raise FieldInvalid(f"{field}.spans.weekday", "date", "leave it out: the date says it.")
    return OpenDate(m.date, tuple(Span(it.opens, it.closes) for it in m.spans))


def _from_hours(hours: BusinessHours) -> pb.BusinessHours:
    return pb.BusinessHours(
        time_zone=hours.time_zone,
        weekly=[
            pb.OpenSpan(weekday=it.weekday, opens=it.span.opens, closes=it.span.closes)
            for it in hours.weekly
        ],
        exceptions=[
            pb.OpenDate(
                date=it.date,
                spans=[pb.OpenSpan(opens=span.opens, closes=span.closes) for span in it.spans],
            )
            for it in hours.exceptions
        ],
        overflow=_from_overflow(hours.overflow) if hours.overflow else None,
    )


def _to_after_service(m: pb.AfterService) -> AfterService | None:
    field = "queue.after_service"
    if m.mode == pb.AfterService.MODE_LIMITED:
        if not m.HasField("limit"):
            raise FieldInvalid(f"{field}.limit", "required", "send how long it lasts at most.")
        extension = timedelta_of(m.extension) if m.HasField("extension") else None
        return Limited(timedelta_of(m.limit), extension)
    for name in ("limit", "extension"):
        if m.HasField(name):
            raise FieldInvalid(
                f"{field}.{name}", "mode", "leave it out unless the mode is limited."
            )
    if m.mode == pb.AfterService.MODE_UNLIMITED:
        return Unlimited()
    if m.mode != pb.AfterService.MODE_UNSPECIFIED:
        raise FieldInvalid(f"{field}.mode", "member", "send UNLIMITED, LIMITED or nothing.")
    return None


def _from_after_service(after: AfterService) -> pb.AfterService:
    match after:
        case Unlimited():
            return pb.AfterService(mode=pb.AfterService.MODE_UNLIMITED)
        case Limited(limit, extension):
            return pb.AfterService(
                mode=pb.AfterService.MODE_LIMITED,
                limit=duration(limit),
                extension=duration(extension) if extension is not None else None,
            )
