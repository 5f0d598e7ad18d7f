"""The schema says where an event goes, and nothing else gets onto the bus."""

from datetime import UTC, datetime

import pytest
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.directory.v1.resources_pb2 import (
    TASK_CHANNEL_CALL,
    TASK_CHANNEL_CHAT,
    TASK_CHANNEL_UNSPECIFIED,
    TASK_CHANNEL_VOICEMAIL,
    TaskChannel,
)
from centralita.dispatch.v1.dispatch_service_pb2 import AcceptOfferRequest
from centralita.dispatch.v1.events_pb2 import TaskCancelled, TaskQueued
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as some

from services.kernel.wire import (
    TOKEN,
    BadToken,
    Misdeclared,
    NotAnEvent,
    filter_for,
    is_state,
    outgoing,
    owner_of,
    parsed,
    subject_of,
    template_of,
)

NINE = datetime(2026, 1, 5, 9, 0, 0, 5000, tzinfo=UTC)
QUEUED = TaskQueued(
    tenant_id="acme", task_id="t-1", revision=3, queue_id="sales", channel=TASK_CHANNEL_CALL
)


def test_an_event_fills_its_own_subject() -> None:
    assert subject_of(TaskCancelled(tenant_id="acme")) == "cc.acme.dispatch.v1.task.cancelled"
    state = UserChanged(tenant_id="acme", user_id="ana")
    assert subject_of(state) == "cc.acme.directory.v1.user.changed.ana"


@pytest.mark.parametrize(
    ("channel", "word"),
    [
        (TASK_CHANNEL_UNSPECIFIED, "unspecified"),
        (TASK_CHANNEL_CHAT, "chat"),
        (TASK_CHANNEL_CALL, "call"),
        (TASK_CHANNEL_VOICEMAIL, "voicemail"),
    ],
)
def test_a_channel_stands_in_the_subject_by_its_name(
    channel: TaskChannel.ValueType, word: str
) -> None:
    event = TaskQueued(tenant_id="acme", channel=channel)
    assert subject_of(event) == f"cc.acme.dispatch.v1.task.queued.{word}"
    narrowed = filter_for(TaskQueued, {"channel": channel})
    assert narrowed == f"cc.*.dispatch.v1.task.queued.{word}"


def test_a_channel_of_a_newer_version_has_no_name_here() -> None:
    event = TaskQueued.FromString(TaskQueued(tenant_id="acme").SerializeToString() + b"\x30\x63")
    assert event.channel == 99
    with pytest.raises(BadToken):
        subject_of(event)


def test_a_consumer_listens_to_every_tenant_key_and_channel() -> None:
    assert filter_for(TaskQueued) == "cc.*.dispatch.v1.task.queued.*"
    assert filter_for(UserChanged) == "cc.*.directory.v1.user.changed.*"


def test_a_consumer_may_listen_to_one_of_them() -> None:
    ana = filter_for(UserChanged, {"user_id": "ana", "tenant_id": "acme"})
    assert ana == "cc.acme.directory.v1.user.changed.ana"
    with pytest.raises(BadToken):
        filter_for(UserChanged, {"user_id": ">"})
    with pytest.raises(BadToken):
        filter_for(TaskQueued, {"channel": 99})


@pytest.mark.parametrize("field", ["queue_id", "chanel"])
def test_a_consumer_cannot_listen_to_what_the_subject_does_not_say(field: str) -> None:
    with pytest.raises(Misdeclared, match=field):
        filter_for(TaskQueued, {field: "sales"})


def test_what_is_measured_has_the_template_as_its_name() -> None:
    assert template_of(UserChanged) == "cc.{tenant_id}.directory.v1.user.changed.{user_id}"
    assert owner_of(UserChanged) == "directory"
    assert is_state(UserChanged)
    assert not is_state(TaskQueued)


@pytest.mark.parametrize("tenant", ["", "a.b", "*", ">", "a b", "ñ", "a\n", "a\r\nPUB x"])
def test_a_value_that_is_no_token_never_becomes_a_subject(tenant: str) -> None:
    with pytest.raises(BadToken):
        subject_of(TaskQueued(tenant_id=tenant))


@given(some.text(max_size=8))
def test_a_subject_has_as_many_tokens_as_its_template(tenant: str) -> None:
    try:
        subject = subject_of(TaskQueued(tenant_id=tenant, channel=TASK_CHANNEL_CHAT))
    except BadToken:
        assert not TOKEN.fullmatch(tenant)
    else:
        assert subject.split(".") == ["cc", tenant, "dispatch", "v1", "task", "queued", "chat"]


def test_a_request_has_no_place_on_the_bus() -> None:
    with pytest.raises(NotAnEvent):
        subject_of(AcceptOfferRequest())


def test_an_event_goes_out_as_a_cloud_event_with_an_id_that_repeats_keep() -> None:
    message = outgoing(QUEUED, event_id="e-1", at=NINE, traceparent="00-a-b-01")
    assert message.headers == {
        "Nats-Msg-Id": "e-1",
        "ce-specversion": "1.0",
        "ce-id": "e-1",
        "ce-type": "centralita.dispatch.v1.TaskQueued",
        "ce-source": "centralita/dispatch",
        "ce-time": "2026-01-05T09:00:00.005+00:00",
        "content-type": "application/protobuf",
        "traceparent": "00-a-b-01",
    }
    assert TaskQueued.FromString(message.payload) == QUEUED


def test_both_forms_are_read() -> None:
    assert parsed(TaskQueued, QUEUED.SerializeToString(), {}) == QUEUED
    body = b'{"tenantId": "acme", "taskId": "t-1", "revision": "3", "queueId": "sales",'
    body += b' "channel": "TASK_CHANNEL_CALL"}'
    assert parsed(TaskQueued, body, {"content-type": "application/json; charset=utf-8"}) == QUEUED


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"1", b"{", b"\xff", b'{"revision": "many"}', b"null", b"[" * 100_000]
)
def test_json_that_is_no_event_is_poison(body: bytes) -> None:
    with pytest.raises(DecodeError):
        parsed(TaskQueued, body, {"content-type": "application/json"})


@given(some.binary(max_size=64), some.sampled_from(["application/json", "application/protobuf"]))
def test_any_bytes_are_an_event_or_poison(body: bytes, form: str) -> None:
    try:
        event = parsed(TaskQueued, body, {"content-type": form})
    except DecodeError:
        return
    assert isinstance(event, TaskQueued)
