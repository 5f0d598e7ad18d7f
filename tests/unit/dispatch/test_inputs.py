"""What the input log may hold, and what the router makes of it."""

from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.inputs import UnreadableInput, decode_input, encode_input
from services.dispatch.domain.inputs import (
    Channel,
    Command,
    QueueConfigured,
    QueueMode,
    Role,
    TaskSubmitted,
)

TASK = TaskSubmitted("acme", "t1", "sales", 0)
VALUES: dict[str, tuple[Any, Any]] = {
    "task": (TASK, replace(TASK, priority=9)),
    "mode": (QueueMode.OPEN, QueueMode.PAUSED),
    "actor_role": (Role.AGENT, Role.OWNER),
    "exclude_agent": (False, True),
    "task_ids": (("t1", "t2"), ("t1",)),
    "version": (1, 2),
}
"""What a field of a command may say, and something else; of all others, some id."""
BESIDE = {"request_id", "reply_to", "fingerprint", "actor_role"}
"""How it is asked, and not what."""


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


@pytest.mark.parametrize("kind", get_args(Command))
def test_all_that_is_asked_tells_a_command_from_another_and_nothing_else_does(kind: Any) -> None:
    named = [it.name for it in fields(kind)]
    asked = {name: VALUES.get(name, ("an-id", ""))[0] for name in named if name != "fingerprint"}
    one = kind(**asked)
    for name in named:
        if name != "fingerprint":
            _, changed = VALUES.get(name, ("", "another-id"))
            other = replace(one, **{name: changed})
            assert (_fingerprint(one) == _fingerprint(other)) is (name in BESIDE), name


def _fingerprint(command: Any) -> bytes:
    it = decode_input(encode_input(command))
    assert isinstance(it, Command)
    assert it.fingerprint
    return it.fingerprint
