"""The schema says where an event goes, and nothing else gets onto the bus."""

from datetime import UTC, datetime

import pytest
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.dispatch.v1.dispatch_service_pb2 import AcceptOfferRequest
from centralita.dispatch.v1.events_pb2 import TaskQueued
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as some

from services.kernel.wire import (
    TOKEN,
    BadToken,
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
QUEUED = TaskQueued(tenant_id="acme", task_id="t-1", revision=3, queue_id="sales")


def test_an_event_fills_its_own_subject() -> None:
    assert subject_of(QUEUED) == "cc.acme.dispatch.v1.task.queued"
    state = UserChanged(tenant_id="acme", user_id="ana")
    assert subject_of(state) == "cc.acme.directory.v1.user.changed.ana"


def test_a_consumer_listens_to_every_tenant_and_key() -> None:
    assert filter_for(TaskQueued) == "cc.*.dispatch.v1.task.queued"
    assert filter_for(UserChanged) == "cc.*.directory.v1.user.changed.*"


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
        subject = subject_of(TaskQueued(tenant_id=tenant))
    except BadToken:
        assert not TOKEN.fullmatch(tenant)
    else:
        assert subject.split(".") == ["cc", tenant, "dispatch", "v1", "task", "queued"]


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
    body = b'{"tenantId": "acme", "taskId": "t-1", "revision": "3", "queueId": "sales"}'
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
