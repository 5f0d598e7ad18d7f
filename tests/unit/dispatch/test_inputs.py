"""What the input log may hold, and what the router makes of it."""

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.inputs import UnreadableInput, decode_input
from services.dispatch.domain.inputs import Channel, QueueConfigured, TaskSubmitted


def task(tenant_id: str = "acme", cost: int = 1) -> bytes:
    submitted = wire.TaskSubmitted(task_id="t1", queue_id="sales", cost=cost)
    return wire.Input(tenant_id=tenant_id, task_submitted=submitted).SerializeToString()


@pytest.mark.parametrize("tenant_id", ["", "a.b", "a b", "*", "x" * 65])
def test_a_tenant_that_cannot_stand_in_a_subject_is_unreadable(tenant_id: str) -> None:
    # Decided, its events could never be told, and no leader would get beyond them.
    with pytest.raises(UnreadableInput):
        decode_input(task(tenant_id))


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xff", wire.Input(tenant_id="acme").SerializeToString()]
)
def test_bytes_that_say_nothing_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableInput):
        decode_input(data)


def test_a_task_that_names_no_channel_is_a_chat() -> None:
    it = decode_input(task())
    assert isinstance(it, TaskSubmitted)
    assert it.channel is Channel.CHAT


@pytest.mark.parametrize(
    ("given", "meant"), [(0, 20_000), (-5, 20_000), (7_000, 7_000), (2**63 - 1, 86_400_000)]
)
def test_an_offer_rings_a_sensible_time(given: int, meant: int) -> None:
    queue = wire.QueueConfigured(queue_id="sales", offer_timeout_ms=given)
    it = decode_input(wire.Input(tenant_id="acme", queue_configured=queue).SerializeToString())
    assert isinstance(it, QueueConfigured)
    assert it.offer_timeout_ms == meant
