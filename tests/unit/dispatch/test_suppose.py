"""What a planner asks for over gRPC: translated, bounded, and never a fault of ours."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from math import nan
from pathlib import Path
from typing import Any

import pytest
from centralita.dispatch.v1 import simulation_service_pb2 as api

from services.dispatch import suppose as child
from services.dispatch.domain.errors import Invalid
from services.dispatch.simulation import report
from services.dispatch.simulation.report import Estimate
from services.dispatch.simulation.scenario import EVERYTHING, scenario
from services.dispatch.simulation_api import NAMES, simulation
from services.dispatch.suppose import suppose

EXAMPLES = Path(__file__).parents[3] / "examples" / "simulate"
SERVICE = {"distribution": "deterministic", "mean_s": 60}
ONE_AGENT: Mapping[str, Any] = {
    "hours": 1,
    "replications": 1,
    "queues": {"sales": {}},
    "traffic": [{"queue": "sales", "trace": [{"at_s": 0}, {"at_s": 10}], "service": SERVICE}],
    "team": [{"name": "ana", "agents": 1}],
}


def example(name: str) -> dict[str, Any]:
    table = tomllib.loads((EXAMPLES / f"{name}.toml").read_text())
    return {**table, "starts": table["starts"].isoformat(), "hours": 2, "replications": 2}


def asked(table: Mapping[str, Any], changed: Mapping[str, Any] | None = None) -> api.CompareRequest:
    request = api.CompareRequest()
    request.scenario.update(table)
    if changed is not None:
        request.changed.update(changed)
    return request


def refused(table: Mapping[str, Any], changed: Mapping[str, Any] | None = None) -> Invalid:
    with pytest.raises(Invalid) as no:
        suppose(asked(table, changed))
    return no.value


def told(it: api.Simulation) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return the figures as the program's JSON has them."""
    queues = {one.queue_id: one.figures for one in it.queues} | {EVERYTHING: it.total}
    return {
        queue_id: {name: _told(figures, NAMES[name]) for name in NAMES}
        for queue_id, figures in queues.items()
    }


def _told(figures: Any, name: str) -> dict[str, float | None]:
    it: api.Estimate = getattr(figures, name)
    return {
        "mean": it.mean if figures.HasField(name) else None,
        "half_width": it.half_width if it.HasField("half_width") else None,
    }


def test_a_planner_hears_what_the_program_says() -> None:
    base, changed = example("support"), example("trained")
    found = suppose(asked(base, changed))
    ours = scenario(base, {})
    theirs = scenario({**changed, "seed": 7, "hours": 5}, {}).with_traffic_of(ours)
    runs, other = report.simulated(ours), report.simulated(theirs)
    assert told(found.scenario) == report.plain(report.report(runs))
    assert told(found.changed) == report.plain(report.report(other))
    assert told(found.difference) == report.plain(report.differences(other, runs))
    assert found.scenario.replications == found.difference.replications == 2


def test_without_a_change_there_is_one_side() -> None:
    found = suppose(asked(ONE_AGENT))
    assert found.HasField("scenario")
    assert not found.HasField("changed")
    assert not found.HasField("difference")


def test_calls_come_in_the_scenario_itself() -> None:
    figures = suppose(asked(ONE_AGENT)).scenario.total
    assert (figures.calls.mean, figures.wait_mean_s.mean) == (2, 25)
    assert not figures.calls.HasField("half_width"), "one run tells nothing of chance"


def test_every_measure_has_a_name_of_its_own_in_the_contract() -> None:
    assert sorted(NAMES.values()) == sorted(it.name for it in api.Figures.DESCRIPTOR.fields)
    values = {name: Estimate(float(n), 0.5) for n, name in enumerate(NAMES)}
    figures = simulation({EVERYTHING: values}, 3).total
    assert {name: getattr(figures, NAMES[name]).mean for name in NAMES} == {
        name: it.mean for name, it in values.items()
    }


def test_what_nothing_can_be_said_of_is_absent() -> None:
    nothing = dict.fromkeys(NAMES, Estimate(nan, nan))
    assert not simulation({EVERYTHING: nothing}, 1).total.ListFields()


def test_a_change_is_run_on_the_clock_and_the_calls_of_what_it_is_compared_with() -> None:
    changed = {**ONE_AGENT, "hours": 1_000_000, "replications": 9, "traffic": [
        {"queue": "sales", "per_hour": 1e9, "service": SERVICE}
    ]}  # fmt: skip
    found = suppose(asked(ONE_AGENT, changed))
    assert told(found.changed) == told(found.scenario)


@pytest.mark.parametrize(
    ("change", "measure"),
    [
        ({"hours": 50_001}, "agent-hours"),
        ({"hours": 0.001, "replications": 50_001}, "agent-hours"),
        ({"team": [{"name": "ana", "agents": 1e11}]}, "agent-hours"),
        ({"traffic": [{"queue": "sales", "per_hour": 1e9, "service": SERVICE}]}, "calls"),
        (
            {"traffic": [{"queue": "sales", "profile": {"08:00": 1e9}, "service": SERVICE}]},
            "calls",
        ),
    ],
)
def test_work_is_bounded_before_it_is_done(change: dict[str, Any], measure: str) -> None:
    no = refused({**ONE_AGENT, **change})
    assert (no.reason, no.details["measure"]) == ("SCENARIO_TOO_LARGE", measure)
    assert no.details["most"] in str(no)


def test_both_sides_of_a_comparison_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "MOST_CALLS", 3)
    suppose(asked(ONE_AGENT))
    assert refused(ONE_AGENT, ONE_AGENT).details == {"measure": "calls", "asked": "4", "most": "3"}


@pytest.mark.parametrize("name", ["calls.csv", "/etc/passwd", "../calls.json", ""])
def test_a_caller_names_no_files(name: str) -> None:
    (traffic,) = ONE_AGENT["traffic"]
    assert refused({**ONE_AGENT, "traffic": [{**traffic, "trace": name}]}).reason == (
        "TRACE_NOT_INLINE"
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, "number above 0"),
        ({**ONE_AGENT, "hours": "many"}, "hours is a number above 0"),
        ({**ONE_AGENT, "speed": 5}, "unknown speed"),
        ({**ONE_AGENT, "queues": []}, "queues is a table"),
        ({**ONE_AGENT, "queues": {"sales": {}, "all": {}}}, "not all"),
        ({**ONE_AGENT, "team": [5]}, "team 1 is a table"),
        ({**ONE_AGENT, "starts": "0001-01-01T00:00:00Z"}, "starts is a date"),
        ({**ONE_AGENT, "replications": 1.5}, "a whole number"),
        ({**ONE_AGENT, "queues": {"sales": {"offer_timeout_ms": -5}}}, "0 or above"),
    ],
)
def test_a_scenario_that_cannot_be_run_is_refused_by_name(table: dict[str, Any], says: str) -> None:
    no = refused(table)
    assert no.reason == "SCENARIO_INVALID"
    assert says in str(no)


def test_a_change_without_the_queues_of_the_calls_is_refused() -> None:
    no = refused(ONE_AGENT, {**ONE_AGENT, "queues": {"support": {}}, "traffic": [
        {"queue": "support", "per_hour": 1, "service": SERVICE}
    ]})  # fmt: skip
    assert (no.reason, str(no)) == ("SCENARIO_INVALID", "What if: no queue sales for the calls.")


# Whatever is asked, it is answered or refused by name

WHOLE: Mapping[str, Any] = {
    **ONE_AGENT,
    "warm_up_minutes": 1,
    "seed": 3,
    "starts": "2026-01-05T08:00:00Z",
    "queues": {
        "sales": {
            "service_level_s": 20,
            "priority": 50,
            "agent_selection": "least_busy",
            "policy": {
                "max_wait_s": 300,
                "after_service": {"mode": "limited", "limit_s": 30},
                "overflow": {"to": "queue", "what": "support"},
                "hours": {
                    "time_zone": "UTC",
                    "weekly": [{"weekday": 1, "opens": 0, "closes": 900}],
                    "exceptions": {"2026-12-25": []},
                },
            },
            "channels": [{"channel": "chat", "cost": 1, "takes_all": False}],
            "skills": {"english": 1},
            "relaxations": [{"after_s": 5, "lower_by": 1}],
            "sticky": {"to": "last", "hold_s": 1},
            "weight": 2,
        },
        "support": {},
    },
    "groups": {"desk": {"teams": ["ana"], "ring_strategy": "sequential", "ring_timeout_s": 5}},
    "traffic": [
        {
            "queue": "sales",
            "group": "desk",
            "per_hour": 60,
            "service": {"distribution": "lognormal", "mean_s": 60, "cv": 1.5},
            "patience": SERVICE,
            "after_service": SERVICE,
            "skills": {"english": 1},
            "priority": 5,
            "cost": 1,
        },
        {"queue": "sales", "profile": {"08:00": 60}, "service": SERVICE},
        {
            "queue": "support",
            "trace": [{"at_s": 1, "queue": "sales", "service_s": 5, "patience_s": 9}],
            "service": SERVICE,
        },
    ],
    "team": [
        {
            "name": "ana",
            "agents": 2,
            "queues": ["sales"],
            "skills": {"english": 3},
            "capacity": 1,
            "shifts": [["08:00", "09:00"]],
            "answer_s": 1,
        }
    ],
}


def _places(it: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = it.items() if isinstance(it, dict) else enumerate(it) if isinstance(it, list) else ()
    for key, value in inner:
        yield (*way, key)
        yield from _places(value, (*way, key))


PLACES = tuple(_places(WHOLE))
VALUES: tuple[Any, ...] = (
    *(None, True, 0, 1, -1, 0.5, 61, 1e12, -1e18, 1e300, nan, float("inf")),
    *("", "all", "sales", "08:00", "99:99", "desk", "limited", "Mars/Olympus", "../UTC"),
    *([], {}, [1], [""], [[]], [{}], {"": 1}, {"sales": {}}),
)


def test_the_whole_scenario_is_answered() -> None:
    assert suppose(asked(WHOLE)).scenario.total.calls.mean > 60


@pytest.mark.parametrize("way", PLACES, ids=lambda way: ".".join(str(step) for step in way))
def test_whatever_stands_in_a_place_is_answered_or_refused_by_name(
    way: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "MOST_CALLS", 1_000)
    monkeypatch.setattr(child, "MOST_AGENT_HOURS", 100)
    for value in VALUES:
        table = deepcopy(dict(WHOLE))
        place: Any = table
        for step in way[:-1]:
            place = place[step]
        place[way[-1]] = value
        with suppress(Invalid):
            suppose(asked(table))
