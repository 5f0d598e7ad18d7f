"""What is left of a queue or an agent that is removed: nothing, to whatever gets its id."""

from collections.abc import Iterator

import pytest

from services.dispatch.domain.inputs import (
    AgentConfigured,
    QueueConfigured,
    QueueMode,
    Sticky,
    StickyTo,
)
from tests.unit.dispatch.desk import ACME, Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    yield desk
    desk.save_and_load()
    assert desk.problems == []


def test_a_queue_made_again_is_neither_paused_nor_as_fast_as_the_one_before(desk: Desk) -> None:
    desk.submit("t1")
    assert desk.mode(QueueMode.PAUSED) == "done"
    assert desk.state.tenants[ACME].paces.keys() == {"sales"}
    desk.close("t1")
    desk.give(QueueConfigured(ACME, "sales", 2, removed=True))
    desk.give(QueueConfigured(ACME, "sales", 3))
    assert not desk.state.tenants[ACME].modes
    assert not desk.state.tenants[ACME].paces
    desk.submit("t2")
    assert desk.place("t2") == "rings ana"


def test_a_customer_is_not_led_to_who_was_given_the_id_of_their_last_agent(desk: Desk) -> None:
    sticky = Sticky(StickyTo.LAST, hold_ms=60_000)
    desk.give(QueueConfigured(ACME, "sales", 2, sticky=sticky))
    desk.submit("t1", contact_id="c1")
    desk.accept("ana", "t1")
    desk.complete("ana", "t1")
    desk.give(AgentConfigured(ACME, "ana", 2, removed=True))
    desk.give(AgentConfigured(ACME, "ana", 3, queue_ids=("sales",)))
    desk.submit("t2", contact_id="c1")
    assert not desk.task("t2").kept_for
