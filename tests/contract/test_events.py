"""Each event has one owner, its own fields in its subject, and exactly one stream that keeps it."""

import re
from importlib import import_module
from itertools import combinations
from pathlib import Path

import pytest
from centralita.directory.v1.resources_pb2 import TaskChannel
from centralita.options.v1 import options_pb2
from centralita.options.v1.options_pb2 import event as event_option
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from services.kernel.streams import read

TEXT, ENUM = FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_ENUM
TOKEN = re.compile(r"[a-z0-9-]+|\{[a-z_]+\}")
WAYS_TO_STATE = {"WORKSPACE"}
"""Streams that keep how each key came to its state, by age: watchers are told the way."""
NOT_SERVICES = {"DEAD", "DEAD_SUBMISSIONS", "ADVISORIES", "DISPATCH_IN", "DISPATCH_JOURNAL"}
STREAMS: dict[str, dict[str, object]] = read()["streams"]


def _events() -> list[Descriptor]:
    found: dict[str, Descriptor] = {}
    root = Path(options_pb2.__file__).parents[2]
    for module in sorted(root.rglob("*_pb2.py")):
        name = ".".join(module.relative_to(root.parent).with_suffix("").parts)
        messages = import_module(name).DESCRIPTOR.message_types_by_name
        found |= {one.full_name: one for one in messages.values()}
    return [one for one in found.values() if one.GetOptions().HasExtension(event_option)]


EVENTS = _events()


def subjects_of(stream: str) -> list[str]:
    listed = STREAMS[stream].get("subjects", [])
    assert isinstance(listed, list)
    return listed


def subject_of(event: Descriptor) -> str:
    return str(event.GetOptions().Extensions[event_option].subject)


def placeholders(event: Descriptor) -> list[str]:
    return re.findall(r"\{(\w+)\}", subject_of(event))


def meet(one: str, other: str) -> bool:
    """Tell whether some subject matches both patterns."""
    left, right = one.split("."), other.split(".")
    for mine, yours in zip(left, right, strict=False):
        if ">" in (mine, yours):
            return True
        if "*" not in (mine, yours) and mine != yours:
            return False
    return len(left) == len(right)


def concrete(event: Descriptor) -> str:
    return re.sub(r"\{\w+\}", "x", subject_of(event))


def keepers(event: Descriptor) -> list[str]:
    subject = concrete(event)
    return [name for name in STREAMS if any(meet(subject, one) for one in subjects_of(name))]


def copiers() -> set[str]:
    """Return the streams that copy some event from one that keeps it."""
    copies = {name: table.get("copies", {}) for name, table in STREAMS.items()}
    return {
        name
        for name, those in copies.items()
        if isinstance(those, dict)
        for origin, subject in those.items()
        if any(meet(concrete(event), subject) and origin in keepers(event) for event in EVENTS)
    }


def test_there_are_events() -> None:
    assert len(EVENTS) > 10


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.full_name)
class TestEvent:
    def test_its_owner_is_its_package(self, event: Descriptor) -> None:
        owner = event.GetOptions().Extensions[event_option].owner
        assert event.file.package == f"centralita.{owner}.v1"
        assert subject_of(event).startswith(f"cc.{{tenant_id}}.{owner}.v1.")

    def test_its_subject_is_made_of_tokens_and_its_own_fields(self, event: Descriptor) -> None:
        assert all(TOKEN.fullmatch(token) for token in subject_of(event).split("."))
        for name in placeholders(event):
            assert event.fields_by_name[name].type in {TEXT, ENUM}

    def test_only_state_has_a_key_in_its_subject(self, event: Descriptor) -> None:
        texts = [one for one in placeholders(event) if event.fields_by_name[one].type == TEXT]
        keyed = texts != ["tenant_id"]
        assert keyed == event.GetOptions().Extensions[event_option].state
        assert not keyed or subject_of(event).endswith(f"{{{texts[-1]}}}")

    def test_its_subject_ends_in_its_channel_if_it_has_one(self, event: Descriptor) -> None:
        channel = event.fields_by_name.get("channel")
        of_a_task = channel is not None and channel.enum_type is TaskChannel.DESCRIPTOR
        assert of_a_task == subject_of(event).endswith(".{channel}")

    def test_exactly_one_stream_keeps_it(self, event: Descriptor) -> None:
        (stream,) = keepers(event)
        compacted = STREAMS[stream].get("max_msgs_per_subject") == 1
        state = event.GetOptions().Extensions[event_option].state
        assert compacted == (state and stream not in WAYS_TO_STATE)


def test_no_subject_belongs_to_two_streams() -> None:
    for one, other in combinations(STREAMS, 2):
        clash = [(a, b) for a in subjects_of(one) for b in subjects_of(other) if meet(a, b)]
        assert not clash, f"{one} and {other}"


def test_every_stream_keeps_something() -> None:
    kept = {name for event in EVENTS for name in keepers(event)} | copiers()
    assert set(STREAMS) - NOT_SERVICES <= kept | {"DIRECTORY"}


def test_no_two_events_share_a_subject() -> None:
    subjects = [re.sub(r"\{\w+\}", "*", subject_of(event)) for event in EVENTS]
    for one, other in combinations(subjects, 2):
        assert not meet(one, other), one
