"""The simulated engine against the exact values of queueing theory.

Erlang C and A are computed here from their formulas and compared with published values first.
Every run is seeded, so that a value which lies within its interval today does so for ever.
"""

from collections.abc import Mapping
from functools import cache
from math import hypot
from typing import Any

import pytest

from services.dispatch.simulation.report import Estimate, report, simulated
from services.dispatch.simulation.scenario import EVERYTHING, scenario
from tests.unit.dispatch.erlang import ErlangA, ErlangC

pytestmark = pytest.mark.timeout(180)

AHT = 180
RUNS = 10
WARM_UP_MINUTES = 120

Found = Mapping[str, Estimate]


def found(**table: Any) -> Found:
    settings = {"replications": RUNS, "warm_up_minutes": WARM_UP_MINUTES, **table}
    return report(simulated(scenario(settings, {})))[EVERYTHING]


def calls(per_hour: float, mean_s: float, **more: Any) -> dict[str, Any]:
    service = {"distribution": "exponential", "mean_s": mean_s}
    return {"queue": "q", "per_hour": per_hour, "service": service, **more}


@cache
def m_m_50() -> Found:
    return found(
        hours=16,
        queues={"q": {}},
        traffic=[calls(45 * 3600 / AHT, AHT)],
        team=[{"name": "a", "agents": 50}],
    )


@cache
def m_m_50_m() -> Found:
    patience = {"distribution": "exponential", "mean_s": 120}
    return found(
        hours=6,
        warm_up_minutes=30,
        queues={"q": {}},
        traffic=[calls(48 * 60, 60, patience=patience)],
        team=[{"name": "a", "agents": 50}],
    )


@cache
def six_classes(served: int) -> Found:
    """Six kinds of calls of 9 Erlang each and 60 agents, who serve so many kinds in a row."""
    return found(
        hours=14,
        queues={"q": {}},
        traffic=[calls(9 * 3600 / AHT, AHT, skills={f"s{kind}": 1}) for kind in range(6)],
        team=[
            {
                "name": f"team-{kind}",
                "agents": 10,
                "skills": {f"s{(kind + more) % 6}": 1 for more in range(served)},
            }
            for kind in range(6)
        ],
    )


@pytest.mark.parametrize(
    ("load", "agents", "service_s", "within_s", "delayed", "wait", "level"),
    [
        (10, 14, 180, 20, 0.174132, 7.8359, 0.888350),
        (10, 13, 180, 20, 0.285270, 17.116, 0.795595),
        (48, 55, 240, 15, 0.238701, 8.1840, 0.845883),
        (20, 24, 180, 20, 0.298072, 13.4133, 0.808882),
        (48, 50, 60, 20, 0.694456, 20.834, 0.643),
        (45, 50, 180, 20, 0.36386, 13.099, 0.79123),
        (54, 60, 180, 20, 0.3246, 9.737, 0.8334),
        (9, 10, 180, 20, 0.6687, 120.37, 0.4016),
    ],
)
def test_our_erlang_c_is_the_textbooks(  # noqa: PLR0913, PLR0917 - a row of the table
    load: float,
    agents: int,
    service_s: float,
    within_s: float,
    delayed: float,
    wait: float,
    level: float,
) -> None:
    exact = ErlangC(load, agents, service_s)
    assert exact.delayed == pytest.approx(delayed, rel=2e-4)
    assert exact.wait == pytest.approx(wait, rel=2e-4)
    assert exact.within(within_s) == pytest.approx(level, rel=1e-3)


@pytest.mark.parametrize(
    ("agents", "delayed", "wait", "abandoned"),
    [
        (49, 0.5343, 4.631, 0.0386),
        (50, 0.467774, 3.7095, 0.030912),
        (52, 0.3431, 2.302, 0.0192),
        (55, 0.1936, 1.037, 0.0086),
        (60, 0.0565, 0.221, 0.0018),
    ],
)
def test_our_erlang_a_is_the_textbooks(
    agents: int, delayed: float, wait: float, abandoned: float
) -> None:
    exact = ErlangA(48 / 60, 1 / 60, 1 / 120, agents)
    assert exact.delayed == pytest.approx(delayed, rel=1e-3)
    assert exact.wait == pytest.approx(wait, rel=2e-3)
    assert exact.abandoned == pytest.approx(abandoned, rel=3e-2)


def test_fifty_agents_and_patient_callers_wait_as_erlang_c_says() -> None:
    exact, got = ErlangC(45, 50, AHT), m_m_50()
    assert got["delayed"].holds(exact.delayed)
    assert got["wait_mean"].holds(exact.wait)
    assert got["service_level"].holds(exact.within(20))
    assert got["occupancy"].holds(45 / 50)


@pytest.mark.parametrize("agents", [49, 51])
def test_an_agent_more_or_less_is_not_mistaken_for_fifty(agents: int) -> None:
    other, got = ErlangC(45, agents, AHT), m_m_50()
    assert not got["wait_mean"].holds(other.wait)
    assert not got["delayed"].holds(other.delayed)


def test_fifty_agents_and_impatient_callers_wait_as_erlang_a_says() -> None:
    exact, got = ErlangA(48 / 60, 1 / 60, 1 / 120, 50), m_m_50_m()
    assert got["abandoned"].holds(exact.abandoned)
    assert got["wait_mean"].holds(exact.wait)
    assert got["delayed"].holds(exact.delayed)
    assert got["occupancy"].holds(exact.busy)


@pytest.mark.parametrize("agents", [49, 51])
def test_an_agent_more_or_less_among_the_impatient_is_noticed(agents: int) -> None:
    other, got = ErlangA(48 / 60, 1 / 60, 1 / 120, agents), m_m_50_m()
    assert not got["abandoned"].holds(other.abandoned)
    assert not got["wait_mean"].holds(other.wait)


@pytest.mark.long
def test_six_kinds_with_agents_who_can_do_everything_are_one_line_of_sixty() -> None:
    exact, got = ErlangC(54, 60, AHT), six_classes(6)
    assert got["wait_mean"].holds(exact.wait)
    assert got["delayed"].holds(exact.delayed)


@pytest.mark.long
def test_six_kinds_with_agents_who_can_do_one_are_six_lines_of_ten() -> None:
    exact, got = ErlangC(9, 10, AHT), six_classes(1)
    assert got["wait_mean"].holds(exact.wait)
    assert got["delayed"].holds(exact.delayed)


@pytest.mark.long
def test_two_skills_in_a_chain_are_almost_as_good_as_all() -> None:
    """Wallace and Whitt; 15.7 ± 1.5 s, 73.9 % in 20 s and 42.6 % delayed by a reference."""
    got = six_classes(2)
    wait = got["wait_mean"]
    assert abs(wait.mean - 15.7) <= hypot(wait.half_width, 1.5)
    assert got["service_level"].mean == pytest.approx(0.739, abs=0.02)
    assert got["delayed"].mean == pytest.approx(0.426, abs=0.02)
    silos, everything = six_classes(1)["wait_mean"], six_classes(6)["wait_mean"]
    assert wait.mean - everything.mean < (silos.mean - everything.mean) / 10
