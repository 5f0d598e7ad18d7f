"""Everything a queue, a group, a user and a policy can say: by gRPC, stored, and on the bus."""

from typing import Any

import pytest
from centralita.directory.v1 import events_pb2
from centralita.directory.v1 import resources_pb2 as pb
from centralita.directory.v1.directory_service_pb2 import (
    DeleteGroupRequest,
    DeleteQueueRequest,
    GetGroupRequest,
    GetPresencePolicyRequest,
    GetQueueRequest,
    GetUserRequest,
    PutGroupRequest,
    PutPresencePolicyRequest,
    PutQueueRequest,
    PutUserRequest,
)
from centralita.options.v1.options_pb2 import ROLE_AGENT
from google.protobuf.duration_pb2 import Duration

from services.directory.republish import republish
from services.directory.settings import Settings
from services.kernel.bus import Bus
from services.kernel.mongo import Database
from tests.integration.directory.installation import Installation, refusal
from tests.integration.directory.test_state import settled, states

PREFIX = "cc.demo.directory.v1"


@pytest.fixture
async def adam(directory: Installation) -> Any:
    return (await directory.as_user("adam")).directory


def seconds(count: float) -> Duration:
    return Duration(seconds=int(count), nanos=round(count % 1 * 1e9))


def whole_queue() -> pb.Queue:
    """Every field differs from what it is when unset."""
    return pb.Queue(
        queue_id="vip",
        display_name="VIP",
        agent_selection=pb.AGENT_SELECTION_LEAST_QUALIFIED,
        offer_timeout=seconds(7.5),
        priority=90,
        version=1,
        task_selection=pb.TASK_SELECTION_AGE,
        channels=[
            pb.ChannelRouting(channel=pb.TASK_CHANNEL_CHAT, cost=2),
            pb.ChannelRouting(
                channel=pb.TASK_CHANNEL_CALL,
                agent_selection=pb.AGENT_SELECTION_ROUND_ROBIN,
                cost=1,
                takes_all=True,
                interrupts=[pb.TASK_CHANNEL_CHAT, pb.TASK_CHANNEL_VOICEMAIL],
            ),
        ],
        skills=[
            pb.SkillNeed(skill_id="billing", level=3),
            pb.SkillNeed(skill_id="english", level=5, preferred=True),
        ],
        relaxations=[
            pb.Relaxation(after=seconds(30), skill_id="billing", lower_by=1),
            pb.Relaxation(after=seconds(90.25), lower_by=5),
        ],
        weight=3,
        sticky=pb.Sticky(to=pb.Sticky.TO_PREFERRED, window=seconds(3600), hold=seconds(20)),
        max_wait=seconds(1800),
        max_waiting=200,
        overflow=pb.Overflow(queue_id="support"),
        overflow_when_nobody=True,
        business_hours=pb.BusinessHours(
            time_zone="Europe/Madrid",
            weekly=[
                pb.OpenSpan(weekday=1, opens=540, closes=840),
                pb.OpenSpan(weekday=1, opens=960, closes=1440),
            ],
            exceptions=[
                pb.OpenDate(date="2026-12-24", spans=[pb.OpenSpan(opens=0, closes=780)]),
                pb.OpenDate(date="2026-12-25"),
            ],
            overflow=pb.Overflow(group_id="front-desk"),
        ),
        after_service=pb.AfterService(
            mode=pb.AfterService.MODE_LIMITED, limit=seconds(120), extension=seconds(60)
        ),
        on_agent_lost=pb.ON_AGENT_LOST_REQUEUE,
        ask_again_after=seconds(90.5),
    )


def whole_policy() -> pb.PresencePolicy:
    return pb.PresencePolicy(
        custom_statuses=[
            pb.CustomStatus(status_id="lunch", display_name="Lunch", remind_after=seconds(2700)),
            pb.CustomStatus(status_id="course", display_name="Course"),
        ],
        banned_after=3,
        way_back=pb.WAY_BACK_COOL_DOWN,
        cool_down=seconds(90),
        version=1,
        chat_capacity=7,
    )


def unread(message: Any) -> Any:
    """The same, as somebody sends it who has read nothing."""
    sent = type(message)()
    sent.CopyFrom(message)
    sent.version = 0
    return sent


@pytest.mark.parametrize("message", [whole_queue(), whole_policy()])
def test_the_example_leaves_no_field_out(message: Any) -> None:
    """A field that comes new to the contract must be added here, and then be kept."""
    for field in (it for it in message.DESCRIPTOR.fields if it.name != "removing_to"):
        said = message.HasField(field.name) if field.has_presence else getattr(message, field.name)
        assert said, field.name


async def test_a_whole_queue_is_answered_stored_and_told_alike(
    adam: Any, bus: Bus, db: Database
) -> None:
    put = (await adam.PutQueue(PutQueueRequest(queue=unread(whole_queue())))).queue
    assert put == whole_queue()
    assert (await adam.GetQueue(GetQueueRequest(queue_id="vip"))).queue == put
    assert (await adam.PutQueue(PutQueueRequest(queue=put))).queue.version == 1, "it is the same"
    await settled(db)
    assert (await states(bus))[f"{PREFIX}.queue.changed.vip"] == events_pb2.QueueChanged(
        tenant_id="demo", queue_id="vip", version=1, queue=put, incarnation=1
    )


@pytest.mark.parametrize(
    "change",
    [
        pb.Queue(overflow=pb.Overflow(group_id="front-desk")),
        pb.Queue(overflow=pb.Overflow(message="We are closed.")),
        pb.Queue(overflow=pb.Overflow(voicemail=True)),
        pb.Queue(overflow=pb.Overflow(end=True)),
        pb.Queue(after_service=pb.AfterService(mode=pb.AfterService.MODE_UNLIMITED)),
        pb.Queue(
            after_service=pb.AfterService(mode=pb.AfterService.MODE_LIMITED, limit=seconds(1))
        ),
        pb.Queue(business_hours=pb.BusinessHours(time_zone="UTC")),
    ],
)
async def test_each_other_choice_of_a_queue_is_kept(adam: Any, change: pb.Queue) -> None:
    change.queue_id, change.display_name = "vip", "VIP"
    await adam.PutQueue(PutQueueRequest(queue=change))
    kept = (await adam.GetQueue(GetQueueRequest(queue_id="vip"))).queue
    assert kept.overflow == change.overflow
    assert kept.after_service == change.after_service
    assert kept.business_hours == change.business_hours


async def test_a_whole_user_is_answered_and_told_alike(adam: Any, bus: Bus, db: Database) -> None:
    ana = (await adam.GetUser(GetUserRequest(user_id="ana"))).user
    ana.skills.add(skill_id="spanish", level=5)
    ana.skills.add(skill_id="billing", level=1)
    ana.channels[:] = [pb.TASK_CHANNEL_VOICEMAIL, pb.TASK_CHANNEL_CHAT]
    put = (await adam.PutUser(PutUserRequest(user=ana))).user
    assert [(it.skill_id, it.level) for it in put.skills] == [("billing", 1), ("spanish", 5)]
    assert list(put.channels) == [pb.TASK_CHANNEL_CHAT, pb.TASK_CHANNEL_VOICEMAIL]
    assert (await adam.GetUser(GetUserRequest(user_id="ana"))).user == put
    await settled(db)
    told = (await states(bus))[f"{PREFIX}.user.changed.ana"]
    assert (told.skills, told.channels, told.version) == (put.skills, put.channels, 2)


async def test_a_whole_group_is_answered_and_told_alike_in_its_order(
    adam: Any, bus: Bus, db: Database
) -> None:
    group = pb.Group(
        group_id="night",
        display_name="Night",
        user_ids=["sam", "ana"],
        ring_strategy=pb.RING_STRATEGY_SEQUENTIAL,
        ring_timeout=seconds(12.5),
        ask_again_after=seconds(5.25),
        version=1,
    )
    put = (await adam.PutGroup(PutGroupRequest(group=unread(group)))).group
    assert put == group
    assert (await adam.GetGroup(GetGroupRequest(group_id="night"))).group == group
    await settled(db)
    assert (await states(bus))[f"{PREFIX}.group.changed.night"].group == group


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (pb.User(), pb.Capacity()),
        (pb.User(chat_capacity=4), pb.Capacity(chats=4)),
        (pb.User(capacity=pb.Capacity(chats=0)), pb.Capacity(chats=0)),
        (pb.User(capacity=pb.Capacity(calls=False)), pb.Capacity(calls=False)),
        (pb.User(capacity=pb.Capacity(chats=4, calls=True)), pb.Capacity(chats=4, calls=True)),
    ],
)
async def test_no_chats_is_another_thing_than_nothing_said_of_them(
    adam: Any, bus: Bus, db: Database, sent: pb.User, kept: pb.Capacity
) -> None:
    user = pb.User(user_id="eva", email="eva@demo.example", display_name="Eva", role=ROLE_AGENT)
    user.MergeFrom(sent)
    await adam.PutUser(PutUserRequest(user=user))
    read = (await adam.GetUser(GetUserRequest(user_id="eva"))).user
    await settled(db)
    told = (await states(bus))[f"{PREFIX}.user.changed.eva"]
    for one in (read, told):
        assert one.HasField("capacity")
        assert (one.capacity, one.chat_capacity) == (kept, kept.chats)


@pytest.mark.parametrize(
    ("sent", "field", "rule"),
    [
        (pb.User(capacity=pb.Capacity(chats=51)), "user.capacity.chats", "range"),
        (pb.User(chat_capacity=3, capacity=pb.Capacity(chats=2)), "user.chat_capacity", "once"),
        (
            pb.User(channels=[pb.TASK_CHANNEL_CHAT], capacity=pb.Capacity(calls=True)),
            "user.capacity.calls",
            "channels",
        ),
    ],
)
async def test_a_capacity_that_makes_no_sense_is_refused(
    adam: Any, sent: pb.User, field: str, rule: str
) -> None:
    user = pb.User(user_id="eva", email="eva@demo.example", display_name="Eva", role=ROLE_AGENT)
    user.MergeFrom(sent)
    told = await refusal(adam.PutUser(PutUserRequest(user=user)))
    assert told.details == {"field": field, "rule": rule}


async def test_a_tenant_has_the_default_policy_until_it_puts_one(
    adam: Any, bus: Bus, db: Database, settings: Settings
) -> None:
    read = GetPresencePolicyRequest()
    assert (await adam.GetPresencePolicy(read)).presence_policy == pb.PresencePolicy(
        banned_after=1, way_back=pb.WAY_BACK_OWN_CHOICE, chat_capacity=3
    )
    wanted = PutPresencePolicyRequest(presence_policy=unread(whole_policy()))
    assert (await adam.PutPresencePolicy(wanted)).presence_policy == whole_policy()
    assert (await adam.GetPresencePolicy(read)).presence_policy == whole_policy()
    stale = PutPresencePolicyRequest(presence_policy=pb.PresencePolicy(version=7))
    assert (await refusal(adam.PutPresencePolicy(stale))).reason == "VERSION_STALE"
    await settled(db)
    subject = f"{PREFIX}.presence-policy.changed.demo"
    told = events_pb2.PresencePolicyChanged(tenant_id="demo", version=1, policy=whole_policy())
    assert (await states(bus))[subject] == told
    await bus.js.purge_stream("DIRECTORY", subject=subject)
    assert await republish(settings) == 1
    await settled(db)
    assert (await states(bus))[subject] == told


async def test_a_way_out_that_leads_nowhere_is_refused(adam: Any) -> None:
    for overflow, reason, field in (
        (pb.Overflow(queue_id="nowhere"), "QUEUE_NOT_FOUND", "queue_id"),
        (pb.Overflow(queue_id="acme-only"), "QUEUE_NOT_FOUND", "queue_id"),
        (pb.Overflow(group_id="acme-group"), "GROUP_NOT_FOUND", "group_id"),
    ):
        queue = pb.Queue(queue_id="vip", display_name="VIP", overflow=overflow)
        told = await refusal(adam.PutQueue(PutQueueRequest(queue=queue)))
        assert (told.code, told.reason) == ("INVALID_ARGUMENT", reason)
        assert told.details["field"] == f"queue.overflow.{field}"
        hours = pb.BusinessHours(time_zone="UTC", overflow=overflow)
        queue = pb.Queue(queue_id="vip", display_name="VIP", business_hours=hours)
        told = await refusal(adam.PutQueue(PutQueueRequest(queue=queue)))
        assert told.details["field"] == f"queue.business_hours.overflow.{field}"


async def test_queues_that_would_overflow_into_each_other_are_refused(adam: Any) -> None:
    def vip(to: pb.Overflow) -> pb.Queue:
        return pb.Queue(queue_id="vip", display_name="VIP", overflow=to)

    def desk(to: pb.Overflow) -> pb.Queue:
        hours = pb.BusinessHours(time_zone="UTC", overflow=to)
        return pb.Queue(queue_id="desk", display_name="Desk", business_hours=hours)

    await adam.PutQueue(PutQueueRequest(queue=vip(pb.Overflow(message="Call again."))))
    await adam.PutQueue(PutQueueRequest(queue=desk(pb.Overflow(queue_id="vip"))))
    told = await refusal(adam.PutQueue(PutQueueRequest(queue=vip(pb.Overflow(queue_id="desk")))))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "OVERFLOW_CYCLE")
    assert told.details == {"queueIds": "vip,desk,vip"}
    await adam.PutQueue(PutQueueRequest(queue=desk(pb.Overflow(queue_id="sales"))))
    await adam.PutQueue(PutQueueRequest(queue=vip(pb.Overflow(queue_id="desk"))))


async def test_where_a_queue_overflows_to_is_not_removed(adam: Any) -> None:
    queue = whole_queue()
    queue.overflow.queue_id = "sales"
    await adam.PutQueue(PutQueueRequest(queue=unread(queue)))
    for call in (
        adam.DeleteQueue(DeleteQueueRequest(queue_id="sales")),
        adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk")),
    ):
        told = await refusal(call)
        assert (told.code, told.reason) == ("FAILED_PRECONDITION", "IN_USE")
        assert told.details == {"kind": "queue", "id": "vip"}
    await adam.DeleteQueue(DeleteQueueRequest(queue_id="vip"))
    await adam.DeleteQueue(DeleteQueueRequest(queue_id="sales"))
    await adam.DeleteGroup(DeleteGroupRequest(group_id="front-desk"))


LIMITED = pb.AfterService.MODE_LIMITED


@pytest.mark.parametrize(
    ("said", "field", "rule"),
    [
        (pb.Queue(overflow=pb.Overflow()), "queue.overflow", "required"),
        (pb.Queue(overflow=pb.Overflow(end=False)), "queue.overflow", "required"),
        (pb.Queue(overflow=pb.Overflow(queue_id="vip")), "queue.overflow.queue_id", "other"),
        (
            pb.Queue(after_service=pb.AfterService(mode=LIMITED)),
            "queue.after_service.limit",
            "required",
        ),
        (
            pb.Queue(after_service=pb.AfterService(extension=seconds(1))),
            "queue.after_service.extension",
            "mode",
        ),
        (
            pb.Queue(
                business_hours=pb.BusinessHours(
                    time_zone="UTC",
                    exceptions=[
                        pb.OpenDate(date="2026-12-25", spans=[pb.OpenSpan(weekday=5, closes=9)])
                    ],
                )
            ),
            "queue.business_hours.exceptions.spans.weekday",
            "date",
        ),
        (
            pb.Queue(business_hours=pb.BusinessHours()),
            "queue.business_hours.time_zone",
            "time_zone",
        ),
        (pb.Queue(max_wait=seconds(0)), "queue.max_wait", "range"),
        (pb.Queue(channels=[pb.ChannelRouting(channel=9)]), "queue.channels.channel", "member"),  # type: ignore[arg-type]  # a number of tomorrow
        (pb.Queue(task_selection=9), "queue.task_selection", "member"),  # type: ignore[arg-type]  # a number of tomorrow
        (pb.Queue(sticky=pb.Sticky(to=9)), "queue.sticky.to", "member"),  # type: ignore[arg-type]  # a number of tomorrow
        (
            pb.Queue(after_service=pb.AfterService(mode=9)),  # type: ignore[arg-type]  # a number of tomorrow
            "queue.after_service.mode",
            "member",
        ),
    ],
)
async def test_what_only_the_wire_can_say_wrong_is_refused_by_name(
    adam: Any, said: pb.Queue, field: str, rule: str
) -> None:
    said.queue_id, said.display_name = "vip", "VIP"
    told = await refusal(adam.PutQueue(PutQueueRequest(queue=said)))
    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert told.details == {"field": field, "rule": rule}


async def test_what_was_stored_before_there_was_routing_has_the_defaults(
    adam: Any, db: Database
) -> None:
    older = {
        "queues": ("sales", {"display_name", "agent_selection", "offer_timeout_ms", "priority"}),
        "groups": ("front-desk", {"display_name", "user_ids"}),
    }
    for collection, (key, known) in older.items():
        found = await db[collection].find_one({"_id": f"demo/{key}"})
        assert found is not None
        value = {name: it for name, it in found["value"].items() if name in known}
        await db[collection].update_one({"_id": f"demo/{key}"}, {"$set": {"value": value}})
    new = {"value.skills": "", "value.channels": ""}
    await db["users"].update_one({"_id": "demo/ana"}, {"$unset": new})
    queue = (await adam.GetQueue(GetQueueRequest(queue_id="sales"))).queue
    assert queue == pb.Queue(
        queue_id="sales",
        display_name="Sales",
        agent_selection=pb.AGENT_SELECTION_LEAST_BUSY,
        offer_timeout=seconds(20),
        priority=50,
        version=1,
        task_selection=pb.TASK_SELECTION_PRIORITY,
        weight=1,
        on_agent_lost=pb.ON_AGENT_LOST_HOLD,
        ask_again_after=seconds(20),
    )
    group = (await adam.GetGroup(GetGroupRequest(group_id="front-desk"))).group
    assert group.ring_strategy == pb.RING_STRATEGY_SIMULTANEOUS
    assert group.ring_timeout == seconds(20)
    assert group.ask_again_after == seconds(20)
    ana = (await adam.GetUser(GetUserRequest(user_id="ana"))).user
    assert not ana.skills
    assert not ana.channels
