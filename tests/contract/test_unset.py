"""What is left unset means one thing, from the seed file and the call to the router's journal.

Each field of the configuration that may be left unset is told here what it then means, as the
contract says it, and is taken over every border: the domain, the document, the answer, the event,
the router's reading of it, the input log and the journal.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from centralita.directory.v1 import resources_pb2 as pb
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from services.directory import messages as directory
from services.directory.adapters import documents, queue_documents
from services.directory.adapters.seed_routing import group_of, policy_of, queue_of
from services.directory.adapters.seed_table import Table
from services.dispatch.adapters.inputs import decode_input, encode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.configured import group_configured, queue_configured
from services.dispatch.domain.decisions import Decision, GroupSet, QueueSet
from services.dispatch.domain.inputs import GroupConfigured, QueueConfigured
from services.dispatch.use_cases.ports import Step
from services.presence.messages import policy_of as presence_reads
from tests.integration.directory.test_routing import whole_policy, whole_queue

RESOURCES = Path("proto/centralita/directory/v1/resources.proto")


def seconds(count: float) -> Duration:
    return Duration(seconds=int(count), nanos=round(count % 1 * 1e9))


def whole_group() -> pb.Group:
    return pb.Group(
        group_id="night",
        display_name="Night",
        user_ids=["sam", "ana"],
        ring_strategy=pb.RING_STRATEGY_SEQUENTIAL,
        ring_timeout=seconds(12.5),
        ask_again_after=seconds(7.5),
    )


def queue_as_routed(message: pb.Queue) -> object:
    """Return what the router does about a queue, once over every border."""
    slot = directory.to_queue("acme", message)
    slot = slot.holding(directory.value_of(slot).checked())
    stored = queue_documents.to_queue(queue_documents.from_queue(directory.value_of(slot)))
    assert stored == slot.value, "the document says something else"
    answered = directory.from_queue(slot)
    again = directory.value_of(directory.to_queue("acme", answered)).checked()
    assert again == slot.value, "who puts what they got changes it"
    told = queue_configured(directory.queue_changed(slot))
    logged = decode_input(encode_input(told))
    assert isinstance(logged, QueueConfigured)
    (set_to,) = journaled(QueueSet(logged))
    assert isinstance(set_to, QueueSet)
    assert (told.policy.overflow, told.policy.closed) == (
        set_to.queue.policy.overflow,
        set_to.queue.policy.closed,
    )
    return set_to.queue


def group_as_routed(message: pb.Group) -> object:
    slot = directory.to_group("acme", message)
    slot = slot.holding(directory.value_of(slot).checked())
    assert slot.value == documents.to_group(documents.from_group(directory.value_of(slot)))
    assert slot.value == directory.to_group("acme", directory.from_group(slot)).value
    logged = decode_input(encode_input(group_configured(directory.group_changed(slot))))
    assert isinstance(logged, GroupConfigured)
    (set_to,) = journaled(GroupSet(logged))
    assert isinstance(set_to, GroupSet)
    return set_to.group


def policy_as_applied(message: pb.PresencePolicy) -> object:
    slot = directory.to_presence_policy("acme", message)
    slot = slot.holding(directory.value_of(slot).checked())
    stored = documents.to_presence_policy(documents.from_presence_policy(directory.value_of(slot)))
    assert stored == slot.value, "the document says something else"
    again = directory.to_presence_policy("acme", directory.from_presence_policy(slot)).value
    assert again == slot.value, "who puts what they got changes it"
    return slot.value, presence_reads(directory.presence_policy_changed(slot))


def journaled(decision: Decision) -> tuple[Decision, ...]:
    data, _ = encode_record(1, [Step(1, 1, (decision,))], chain=b"", emitted=0, owner_id="one")
    (step,) = decode_record(1, data).steps
    return step.decisions


@dataclass(frozen=True)
class Unset:
    """A field, where it stands in an example, and what the example says instead of leaving it."""

    field: str
    example: Callable[[], Any]
    routed: Callable[[Any], object]
    place: Callable[[Any], Message]
    meant: Callable[[Any], None] | None
    """None: nothing can be sent that means the same."""


def inside_queue(
    name: str, place: Callable[[Any], Any], meant: Callable[[Any], None] | None
) -> Unset:
    return Unset(name, whole_queue, queue_as_routed, place, meant)


def sets(place: Callable[[Any], Any], **values: Any) -> Callable[[Any], None]:
    """Say it in so many words."""

    def change(example: Any) -> None:
        for name, value in values.items():
            here = place(example)
            if isinstance(value, Message):
                getattr(here, name).CopyFrom(value)
            else:
                setattr(here, name, value)

    return change


def itself(example: Any) -> Any:
    return example


def of_queue(name: str, meant: Any) -> Unset:
    said = None if meant is None else sets(itself, **{name: meant})
    return inside_queue(f"Queue.{name}", itself, said)


def _call(example: Any) -> Any:
    return example.channels[1]


UNSET = [
    of_queue("agent_selection", pb.AGENT_SELECTION_LONGEST_IDLE),
    of_queue("offer_timeout", seconds(20)),
    of_queue("priority", 50),
    of_queue("task_selection", pb.TASK_SELECTION_PRIORITY),
    of_queue("weight", 1),
    of_queue("max_wait", None),
    of_queue("max_waiting", None),
    of_queue("overflow", pb.Overflow(end=True)),
    of_queue("on_agent_lost", pb.ON_AGENT_LOST_HOLD),
    of_queue("ask_again_after", seconds(20)),
    inside_queue(
        "BusinessHours.overflow",
        lambda it: it.business_hours,
        lambda it: it.business_hours.overflow.CopyFrom(it.overflow),
    ),
    inside_queue(
        "ChannelRouting.channel",
        lambda it: it.channels[0],
        sets(lambda it: it.channels[0], channel=pb.TASK_CHANNEL_CHAT),
    ),
    inside_queue("ChannelRouting.agent_selection", _call, None),
    inside_queue("ChannelRouting.cost", _call, sets(_call, cost=1)),
    inside_queue("Relaxation.skill_id", lambda it: it.relaxations[0], None),
    inside_queue(
        "Sticky.window", lambda it: it.sticky, sets(lambda it: it.sticky, window=seconds(86_400))
    ),
    inside_queue("Sticky.hold", lambda it: it.sticky, sets(lambda it: it.sticky, hold=seconds(0))),
    inside_queue("AfterService.extension", lambda it: it.after_service, None),
    Unset(
        "Group.ring_strategy",
        whole_group,
        group_as_routed,
        itself,
        sets(itself, ring_strategy=pb.RING_STRATEGY_SIMULTANEOUS),
    ),
    Unset(
        "Group.ring_timeout",
        whole_group,
        group_as_routed,
        itself,
        sets(itself, ring_timeout=seconds(20)),
    ),
    Unset(
        "Group.ask_again_after",
        whole_group,
        group_as_routed,
        itself,
        sets(itself, ask_again_after=seconds(20)),
    ),
    Unset(
        "PresencePolicy.banned_after",
        whole_policy,
        policy_as_applied,
        itself,
        sets(itself, banned_after=1),
    ),
    Unset(
        "CustomStatus.remind_after",
        whole_policy,
        policy_as_applied,
        lambda it: it.custom_statuses[0],
        None,
    ),
]
ELSEWHERE = {
    "User.channels": "test_dispatch, as all that an agent can work on",
    "User.capacity": "tests/unit/dispatch/test_there.py, as what the tenant says",
    "Capacity.chats": "likewise",
    "Capacity.calls": "likewise, as what they can work on",
    "PresencePolicy.chat_capacity": "likewise, as 3",
    "Queue.removing_to": "only answers say it, and the router is asked apart",
    "OpenSpan.weekday": "refused where a date has one already",
    "ChannelAccount.callback_url": "nothing follows but a refusal of replies",
    "ChannelAccount.allowed_origins": "nothing follows but a refusal of pages",
}


@pytest.mark.parametrize("unset", UNSET, ids=lambda it: it.field)
def test_a_field_left_unset_means_what_the_contract_says_behind_every_border(unset: Unset) -> None:
    left, said = unset.example(), unset.example()
    name = unset.field.rpartition(".")[2]
    before = unset.routed(unset.example())
    unset.place(left).ClearField(name)
    routed = unset.routed(left)
    if unset.meant is None:
        assert routed != before, "the example leaves it unset"
        return
    unset.meant(said)
    assert routed == unset.routed(said)
    if unset.place(unset.example()) != unset.place(said):
        assert routed != before, "nobody looks at it"


def test_the_end_is_where_hours_lead_that_say_so() -> None:
    """An explicit end is not taken for a field that was left out."""
    ends = whole_queue()
    ends.business_hours.overflow.CopyFrom(pb.Overflow(end=True))
    left = whole_queue()
    left.business_hours.ClearField("overflow")
    assert queue_as_routed(ends) != queue_as_routed(left)


def test_every_field_that_may_be_left_unset_is_looked_at() -> None:
    known = {it.field for it in UNSET} | set(ELSEWHERE)
    found, message, says = set(), "", ""
    for line in RESOURCES.read_text().splitlines():
        if named := re.match(r"message (\w+)", line):
            message = named[1]
        if line.lstrip().startswith("//"):
            says += line
            continue
        declared = re.match(r"\s+(?:repeated |optional )?[\w.]+ (\w+) = \d+;", line)
        if declared and message and re.search(r"Unset|Empty: (?!$)", says):
            found.add(f"{message}.{declared[1]}")
        says = ""
    assert found - {"BusinessHours.weekly"} <= known


def test_the_seed_leaves_unset_what_a_call_leaves_unset() -> None:
    row = {"display_name": "Q"}
    assert queue_of(Table("q", row)) == directory.to_queue("acme", pb.Queue(display_name="Q")).value
    assert group_of(Table("g", row)) == directory.to_group("acme", pb.Group(display_name="Q")).value
    policy = directory.to_presence_policy("acme", pb.PresencePolicy()).value
    assert policy_of(Table("p", {})) == policy
    inner = {"business_hours": {"time_zone": "UTC"}, "sticky": {"to": "last"}}
    called = pb.Queue(
        display_name="Q",
        business_hours=pb.BusinessHours(time_zone="UTC"),
        sticky=pb.Sticky(to=pb.Sticky.TO_LAST),
    )
    assert queue_of(Table("q", row | inner)) == directory.to_queue("acme", called).value
