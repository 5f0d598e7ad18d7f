"""There is not able: who counts as there for a task, and how much an agent takes of what."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from centralita.directory.v1 import resources_pb2 as directory
from centralita.directory.v1.events_pb2 import UserChanged
from centralita.dispatch.journal.v1 import journal_pb2 as wire

from services.dispatch.adapters.inputs import decode_input
from services.dispatch.adapters.records import decode_record, encode_record
from services.dispatch.domain.decisions import AgentSet, Decision, Overflowed, TenantSet
from services.dispatch.domain.inputs import (
    AgentConfigured,
    Channel,
    ChannelRouting,
    PresenceObserved,
    QueueConfigured,
    Relaxation,
    Role,
    Sticky,
    StickyTo,
    TenantConfigured,
)
from services.dispatch.domain.policy import Overflow, OverflowCause, OverflowTo, Policy
from services.dispatch.matching import capacity_of
from services.dispatch.use_cases.ports import Step
from services.dispatch.use_cases.queues import Asker, QueueStatus, status
from tests.unit.dispatch.desk import ACME, Desk

CHAT, CALL, VOICEMAIL = Channel
ELSEWHERE = Policy(overflow=Overflow(OverflowTo.QUEUE, "support"), overflow_when_nobody=True)
NOBODY = [OverflowCause.NOBODY_THERE]


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("sales", policy=ELSEWHERE)
    desk.queue("support")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def causes(decisions: list[Decision]) -> list[OverflowCause]:
    return [it.cause for it in decisions if isinstance(it, Overflowed)]


def there(desk: Desk) -> int:
    found = status(desk.state, ACME, "sales", Asker("boss", Role.MANAGER), desk.now)
    assert isinstance(found, QueueStatus)
    return found.agents_there


def ready(desk: Desk, agent_id: str = "ana", **config: object) -> None:
    desk.agent(agent_id, **config)  # type: ignore[arg-type] # whatever a case is about
    desk.here(agent_id)


# Who is there


def test_who_can_be_given_nothing_keeps_nobody_from_overflowing(desk: Desk) -> None:
    ready(desk, capacity=0)
    desk.submit("t1")
    assert desk.task("t1").submitted.queue_id == "support"
    assert there(desk) == 0


@pytest.mark.parametrize(
    ("agent", "task"),
    [
        ({"channels": (CALL,)}, {}),
        ({"channels": (CHAT, VOICEMAIL), "capacity": 5}, {"channel": CALL}),
        ({"capacity": 2}, {"cost": 3}),
        ({"skills": (("en", 5),)}, {"skills": (("es", 1),)}),
        ({"skills": (("es", 2),)}, {"skills": (("es", 3),)}),
    ],
)
def test_who_could_never_take_it_is_not_there_for_it(desk: Desk, agent: dict, task: dict) -> None:  # type: ignore[type-arg]
    ready(desk, **agent)
    desk.submit("t1", **task)
    assert desk.task("t1").submitted.queue_id == "support"
    assert there(desk) == 1, "for something else they are"


def test_who_does_not_want_it_is_not_there_for_it(desk: Desk) -> None:
    desk.agent("ana")
    desk.give(PresenceObserved(ACME, "ana", 1, connected=True, receive_new=True, channels=(CALL,)))
    desk.submit("t1")
    assert desk.task("t1").submitted.queue_id == "support"
    desk.submit("t2", channel=CALL)
    assert desk.place("t2") == "rings ana"


def test_who_wants_nothing_of_what_they_can_do_is_not_there(desk: Desk) -> None:
    desk.agent("ana", channels=(CHAT,))
    desk.give(PresenceObserved(ACME, "ana", 1, connected=True, receive_new=True, channels=(CALL,)))
    assert there(desk) == 0


def test_who_is_busy_is_there(desk: Desk) -> None:
    ready(desk)
    desk.submit("t1")
    desk.submit("t2")
    assert (desk.place("t1"), desk.place("t2")) == ("rings ana", "waits")
    desk.accept("ana", "t1")
    assert (desk.place("t2"), there(desk)) == ("waits", 1)


def test_who_has_what_it_needs_once_it_asks_for_less_is_there(desk: Desk) -> None:
    relaxed = (Relaxation(10_000, "es", 5),)
    desk.give(QueueConfigured(ACME, "sales", 2, policy=ELSEWHERE, relaxations=relaxed))
    ready(desk)
    desk.submit("t1", skills=(("es", 3),))
    assert desk.place("t1") == "waits"
    desk.wait(10_000)
    assert desk.place("t1") == "rings ana"


def test_the_last_who_could_take_it_leaves_and_only_what_they_could_take_goes(desk: Desk) -> None:
    ready(desk, "ana", channels=(CHAT,))
    ready(desk, "bo", channels=(CALL,))
    for agent, task, kind in (("ana", "chat-1", CHAT), ("bo", "call-1", CALL)):
        desk.submit(task, channel=kind)
        desk.accept(agent, task)
    desk.submit("chat-2")
    desk.submit("call-2", channel=CALL)
    assert (desk.place("chat-2"), desk.place("call-2")) == ("waits", "waits")
    left = desk.give(PresenceObserved(ACME, "bo", connected=True, receive_new=False))
    assert causes(left) == NOBODY
    assert desk.task("call-2").submitted.queue_id == "support"
    assert desk.task("chat-2").submitted.queue_id == "sales"
    took_away = desk.give(AgentConfigured(ACME, "ana", 2, queue_ids=("sales",), capacity=0))
    assert causes(took_away) == NOBODY
    assert desk.task("chat-2").submitted.queue_id == "support"


def test_nothing_is_kept_for_who_could_never_take_it(desk: Desk) -> None:
    sticky = Sticky(StickyTo.PREFERRED, hold_ms=60_000)
    desk.give(QueueConfigured(ACME, "sales", 2, sticky=sticky))
    desk.works("ana", capacity=0)
    desk.works("bo")
    desk.submit("t1", preferred_agent_id="ana")
    assert desk.place("t1") == "rings bo"


# How much


def test_who_says_nothing_takes_what_the_tenant_says(desk: Desk) -> None:
    ready(desk, capacity=None)
    for number in range(7):
        desk.submit(f"t{number}")
    rung = [number for number in range(7) if desk.place(f"t{number}") == "rings ana"]
    assert rung == [0, 1, 2]
    desk.give(TenantConfigured(ACME, 1, 5))
    assert desk.place("t4") == "rings ana"
    assert desk.place("t5") == "waits"
    desk.save_and_load()
    desk.decline("ana", "t0")
    assert desk.place("t5") == "rings ana"


def test_what_the_tenant_says_changes_nothing_for_who_has_an_own_number(desk: Desk) -> None:
    desk.give(QueueConfigured(ACME, "sales", 2))
    ready(desk, capacity=1)
    ready(desk, "bo", capacity=0)
    desk.submit("t1")
    desk.submit("t2")
    desk.give(TenantConfigured(ACME, 1, 50))
    assert (desk.place("t1"), desk.place("t2")) == ("rings ana", "waits")


def test_an_older_word_of_the_tenant_changes_nothing(desk: Desk) -> None:
    desk.give(TenantConfigured(ACME, 2, 2))
    assert desk.give(TenantConfigured(ACME, 1, 9)) == []
    assert desk.give(TenantConfigured(ACME, 2, 9)) == []


def test_what_costs_more_than_the_tenant_says_has_nobody_there_any_more(desk: Desk) -> None:
    ready(desk, capacity=None)
    desk.submit("busy", channel=CALL)
    desk.submit("big", cost=3)
    assert desk.place("big") == "waits"
    assert causes(desk.give(TenantConfigured(ACME, 1, 2))) == NOBODY


@pytest.mark.parametrize("channel", [CALL, VOICEMAIL])
@pytest.mark.parametrize("said_by", ["queue", "task"])
def test_who_takes_no_chats_takes_one_call_whatever_it_costs(
    desk: Desk, channel: Channel, said_by: str
) -> None:
    costly = (ChannelRouting(channel, cost=50),)
    by_queue = said_by == "queue"
    routing = costly if by_queue else (ChannelRouting(channel),)
    desk.give(QueueConfigured(ACME, "sales", 2, policy=ELSEWHERE, channels=routing))
    chats, channels = said(chats=0)
    ready(desk, capacity=chats, channels=channels)
    for task_id in ("t1", "t2"):
        desk.submit(task_id, channel=channel, cost=0 if by_queue else 2)
    assert (desk.place("t1"), desk.place("t2")) == ("rings ana", "waits")
    desk.accept("ana", "t1")
    assert desk.place("t2") == "waits", "one at a time"
    desk.complete("ana", "t1")
    assert desk.place("t2") == "rings ana"


def test_a_call_that_costs_more_than_somebody_has_takes_all_of_them(desk: Desk) -> None:
    desk.give(
        QueueConfigured(
            ACME, "sales", 2, policy=ELSEWHERE, channels=(ChannelRouting(CALL, cost=5),)
        )
    )
    ready(desk, capacity=2)
    desk.submit("chat")
    desk.submit("call", channel=CALL)
    assert (desk.place("chat"), desk.place("call")) == ("rings ana", "waits")
    desk.accept("ana", "chat")
    desk.complete("ana", "chat")
    assert desk.place("call") == "rings ana"
    desk.submit("more")
    assert desk.place("more") == "waits"


# What the directory says


def said(
    *channels: Channel, chats: int | None = None, calls: bool | None = None
) -> tuple[int | None, tuple[Channel, ...]]:
    capacity = directory.Capacity(chats=chats, calls=calls)
    return capacity_of(UserChanged(capacity=capacity, channels=channels))  # type: ignore[arg-type]


def test_unset_is_the_tenants_and_zero_chats_is_for_calls_alone() -> None:
    assert said() == (None, ())
    assert said(chats=4) == (4, ())
    assert said(chats=0) == (1, (CALL, VOICEMAIL))
    assert said(calls=False) == (None, (CHAT, VOICEMAIL))
    assert said(calls=True) == (None, ())
    assert said(CHAT, calls=False, chats=2) == (2, (CHAT,))
    assert said(CALL, chats=0, calls=True) == (1, (CALL,))


@pytest.mark.parametrize(
    "nothing",
    [
        said(chats=0, calls=False),
        said(CHAT, chats=0),
        said(CHAT, VOICEMAIL, chats=0),
        said(CALL, calls=False),
    ],
)
def test_who_takes_neither_is_given_nothing(nothing: tuple[int | None, object]) -> None:
    assert nothing[0] == 0


def test_what_was_told_before_zero_could_be_meant_is_unset() -> None:
    assert capacity_of(UserChanged(chat_capacity=0)) == (None, ())
    assert capacity_of(UserChanged(chat_capacity=2)) == (2, ())
    silent = wire.Input(
        tenant_id=ACME, agent_configured=wire.AgentConfigured(agent_id="ana", version=1)
    )
    assert decode_input(silent.SerializeToString()) == AgentConfigured(
        ACME, "ana", 1, capacity=None
    )


def test_a_router_of_before_does_not_lead_where_it_would_take_nothing_for_something() -> None:
    """It finds a decision that it does not know, and steps down."""
    settings = AgentConfigured(ACME, "ana", 1, capacity=0)
    for decision in (AgentSet(settings), TenantSet(TenantConfigured(ACME, 1, 5))):
        written = written_as(decision)
        assert written not in {"agent_set", None}
    usual = [AgentSet(replace(settings, capacity=it)) for it in (None, 1, 50)]
    assert {written_as(decision) for decision in usual} == {"agent_set"}


def written_as(decision: Decision) -> str | None:
    data, _ = encode_record(0, [Step(1, 1, (decision,))], chain=b"", emitted=0, owner_id="")
    assert decode_record(1, data).steps[0].decisions == (decision,)
    return wire.Record.FromString(data).steps[0].decisions[0].WhichOneof("body")
