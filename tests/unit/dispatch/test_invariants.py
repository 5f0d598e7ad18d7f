"""A router that contradicts itself says so, instead of deciding on nothing for ever."""

from typing import Any
from unittest.mock import MagicMock

import pytest

from services.dispatch.domain import engine
from services.dispatch.domain.index import Index
from services.dispatch.domain.inputs import RingStrategy
from services.dispatch.domain.invariants import Broken
from services.dispatch.domain.timers import OfferRangOut
from services.dispatch.use_cases.fold import Fold
from services.dispatch.use_cases.lead import _Term
from tests.unit.dispatch.desk import Desk


def nobody(*_: object) -> None:
    """Be an index that has a task for somebody, and nobody for the task."""


def test_agents_who_are_free_at_once_and_a_task_that_finds_none_of_them_are_a_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    desk.queue("sales")
    desk.group("desk", "ana", "bo", "cyd", strategy=RingStrategy.SIMULTANEOUS)
    for agent in ("ana", "bo", "cyd"):
        desk.works(agent)
    desk.submit("t1", "", group_id="desk")
    desk.submit("t2")
    monkeypatch.setattr(Index, "best_agent", nobody)
    with pytest.raises(Broken, match="acme/t2"):
        desk.accept("ana", "t1")


def test_a_task_taken_back_that_finds_nobody_though_somebody_is_free_for_it_is_a_bug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    desk.submit("t1")
    desk.accept("ana", "t1")
    monkeypatch.setattr(Index, "best_agent", nobody)
    with pytest.raises(Broken, match="acme/t1"):
        desk.take_back("t1")


def test_a_moment_from_which_nothing_follows_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    desk.queue("sales")
    desk.works("ana")
    desk.submit("t1")
    ports: Any = MagicMock(clock=lambda: desk.now + 20_000)
    fold = Fold(ports, 0)
    fold.state = desk.state
    monkeypatch.setitem(engine._RULES, OfferRangOut, lambda *_: iter(()))
    with pytest.raises(Broken, match="OfferRangOut"):
        _Term(ports, 0, fold, ports.outlet)._decide([])
