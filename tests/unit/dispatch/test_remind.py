"""Whoever begins to lead has the router told what was said while another version led."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from services.dispatch.domain.configuration import Configuration
from services.dispatch.domain.inputs import (
    AgentConfigured,
    Command,
    Fact,
    GroupConfigured,
    QueueConfigured,
    TenantConfigured,
)
from services.dispatch.use_cases import remind
from services.dispatch.use_cases.ports import Unknown
from services.dispatch.use_cases.remind import Remind, is_missed
from tests.streams import until
from tests.unit.dispatch.desk import Desk

NEWS: list[Configuration] = [
    TenantConfigured("acme", 7, 2),
    QueueConfigured("acme", "sales", 7),
    GroupConfigured("acme", "desk", 7),
    AgentConfigured("acme", "ana", 7),
]


class Directory:
    """Says one thing after the other, but fails first."""

    def __init__(self, says: list[Configuration]) -> None:
        self._says = says
        self._asked = 0

    async def configuration(self, _shard: int) -> AsyncGenerator[list[Configuration], None]:
        self._asked += 1
        for fact in self._says:
            yield [fact]
            if self._asked == 1:
                raise Unknown

    async def tell_news(self, tenant_id: str) -> bool:
        raise AssertionError(tenant_id)


class Intake:
    """Gives the desk what is appended."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.told: list[Fact | Command] = []

    async def append(self, it: Fact | Command, dedup_id: str) -> None:
        assert not dedup_id, "what was said a moment ago would be taken for a repetition"
        self.told.append(it)
        self._desk.give(it)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remind, "BEGIN_AFTER_S", 0.0)
    monkeypatch.setattr(remind, "AGAIN_AFTER_S", 0.0)


async def test_what_an_older_leader_passed_over_is_told_again_and_nothing_else_is() -> None:
    """Nobody said it a second time: the tenant's usual capacity was lost for good."""
    desk = Desk()
    desk.give(NEWS[1])
    intake = Intake(desk)
    async with Remind(Directory(NEWS), intake)(0, desk.state):
        await until(lambda: len(intake.told) == len(NEWS) - 1, within=5)
    assert NEWS[1] not in intake.told
    assert desk.state.tenants["acme"].settings.capacity == 2
    assert not any(is_missed(desk.state, fact) for fact in NEWS)
    assert desk.problems == []


def test_who_was_removed_is_told_again_only_to_who_knew_them() -> None:
    desk = Desk()
    gone: list[Configuration] = [
        QueueConfigured("acme", "sales", 8, removed=True),
        GroupConfigured("acme", "desk", 8, removed=True),
        AgentConfigured("acme", "ana", 8, removed=True),
    ]
    assert not any(is_missed(desk.state, fact) for fact in gone)
    for fact in NEWS:
        desk.give(fact)
    assert all(is_missed(desk.state, fact) for fact in gone)


SAID: list[Configuration] = [
    TenantConfigured("acme", 7, 2),
    QueueConfigured("acme", "sales", 7, ask_again_after_ms=5_000),
    GroupConfigured("acme", "desk", 7, ask_again_after_ms=5_000),
    AgentConfigured("acme", "ana", 7, queue_ids=("sales",), capacity=0),
]
HEARD: list[Configuration] = [
    TenantConfigured("acme", 7),
    QueueConfigured("acme", "sales", 7),
    GroupConfigured("acme", "desk", 7),
    AgentConfigured("acme", "ana", 7, queue_ids=("sales",), capacity=None),
]
"""The same as who does not know half of it reads it."""


@pytest.mark.parametrize("number", range(len(SAID)), ids=["tenant", "queue", "group", "agent"])
def test_what_an_older_leader_read_in_part_is_told_again_once(number: int) -> None:
    """It had the version, so whoever came later took the rest for known."""
    desk = Desk()
    desk.give(HEARD[number])
    assert not desk.give(SAID[number]), "as in every journal of before"
    said = replace(SAID[number], again=True)
    assert is_missed(desk.state, said)
    assert desk.give(said)
    assert not is_missed(desk.state, said)
    assert not desk.give(said)
    older = replace(HEARD[number], version=6, again=True)
    assert not is_missed(desk.state, older)
    assert not desk.give(older)
    assert desk.problems == []
