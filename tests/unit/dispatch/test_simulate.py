"""Simulation: what a scenario says is what is run, and two configurations meet the same calls."""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.dispatch import simulate
from services.dispatch.adapters.plots import plot
from services.dispatch.adapters.scenarios import read_scenario, read_trace
from services.dispatch.domain.inputs import AgentSelection
from services.dispatch.simulation.arrivals import DailyProfile, trace
from services.dispatch.simulation.distributions import Deterministic, Exponential, Lognormal
from services.dispatch.simulation.measures import Measures, gini, jain, percentile
from services.dispatch.simulation.report import differences, estimate, report, simulated
from services.dispatch.simulation.run import Fate, run
from services.dispatch.simulation.scenario import EVERYTHING, Scenario, scenario
from services.dispatch.simulation.settings import BadScenario

EXAMPLES = Path(__file__).parents[3] / "examples" / "simulate"
MINUTE = 60_000

ONE_AGENT = """
hours = 1
[queues.sales]
[[traffic]]
queue = "sales"
trace = "calls"
service = { distribution = "deterministic", mean_s = 60 }
[[team]]
name = "ana"
agents = 1
"""


def played(text: str, *calls: Mapping[str, Any], tmp_path: Path) -> list[tuple[str, float]]:
    """Return what became of each call, and after how many seconds."""
    (tmp_path / "calls.json").write_text(json.dumps(list(calls)))
    it = scenario(tomllib.loads(text), {"calls": read_trace(tmp_path / "calls.json")})
    result = run(it, trace(it.traffic, "1", it.horizon / 1000, it.starts_s))
    return [
        (one.fate.name.lower(), (one.left_line_at - one.call.at) / 1000) for one in result.calls
    ]


def busy(**more: Any) -> Scenario:
    table = tomllib.loads((EXAMPLES / "support.toml").read_text())
    return scenario({**table, **more}, {})


def test_calls_are_served_one_after_the_other(tmp_path: Path) -> None:
    calls = [{"at_s": 0}, {"at_s": 10, "service_s": 5}, {"at_s": 20}]
    assert played(ONE_AGENT, *calls, tmp_path=tmp_path) == [
        ("answered", 0),
        ("answered", 50),
        ("answered", 45),
    ]


def test_who_runs_out_of_patience_is_gone(tmp_path: Path) -> None:
    calls = [{"at_s": 0}, {"at_s": 10, "patience_s": 30}, {"at_s": 20}]
    assert played(ONE_AGENT, *calls, tmp_path=tmp_path) == [
        ("answered", 0),
        ("abandoned", 30),
        ("answered", 40),
    ]


def test_an_agent_lets_it_ring_before_they_answer(tmp_path: Path) -> None:
    text = ONE_AGENT + "answer_s = 4\n"
    assert played(text, {"at_s": 1}, tmp_path=tmp_path) == [("answered", 4)]


def test_nobody_answers_before_the_shift_begins_or_after_it_ends(tmp_path: Path) -> None:
    text = ONE_AGENT + 'shifts = [["00:05", "00:10"]]\n'
    calls = [{"at_s": 60}, {"at_s": 599}, {"at_s": 600}]
    found = played(text, *calls, tmp_path=tmp_path)
    assert found[:2] == [("answered", 240), ("answered", 0)]
    assert found[2][0] == "waits"


def test_a_shift_over_midnight_is_one_shift(tmp_path: Path) -> None:
    text = "starts = 2026-01-05T23:30:00Z\n" + ONE_AGENT + 'shifts = [["23:45", "00:15"]]\n'
    calls = [{"at_s": 0}, {"at_s": 1800}, {"at_s": 2700}]
    found = played(text, *calls, tmp_path=tmp_path)
    assert [fate for fate, _ in found] == ["answered", "answered", "waits"]
    assert found[0][1] == 900


def test_an_agent_is_held_by_after_service_until_it_is_done_or_at_its_limit(
    tmp_path: Path,
) -> None:
    calls = [{"at_s": 0}, {"at_s": 1}]
    text = ONE_AGENT.replace("mean_s = 60 }", "mean_s = 60 }\n%s") % (
        'after_service = { distribution = "deterministic", mean_s = 20 }'
    )
    assert played(text, *calls, tmp_path=tmp_path)[1] == ("answered", 59)
    policy = '[queues.sales]\npolicy = { after_service = { mode = "unlimited" } }'
    held = text.replace("[queues.sales]", policy)
    assert played(held, *calls, tmp_path=tmp_path)[1] == ("answered", 79)
    short = held.replace('"unlimited"', '"limited", limit_s = 5')
    assert played(short, *calls, tmp_path=tmp_path)[1] == ("answered", 64)


def test_who_waits_too_long_is_turned_away(tmp_path: Path) -> None:
    text = ONE_AGENT.replace("[queues.sales]", "[queues.sales]\npolicy = { max_wait_s = 15 }")
    calls = [{"at_s": 0}, {"at_s": 1}]
    assert played(text, *calls, tmp_path=tmp_path)[1] == ("turned_away", 15)


def test_a_closed_queue_takes_nobody_in(tmp_path: Path) -> None:
    span = "{ weekday = 1, opens = 10, closes = 20 }"
    hours = f'{{ time_zone = "UTC", weekly = [{span}] }}'
    text = ONE_AGENT.replace("[queues.sales]", f"[queues.sales]\npolicy = {{ hours = {hours} }}")
    calls = [{"at_s": 0}, {"at_s": 700}, {"at_s": 1300}]
    fates = [fate for fate, _ in played(text, *calls, tmp_path=tmp_path)]
    assert fates == ["turned_away", "answered", "turned_away"]


def test_a_group_rings_at_its_teams(tmp_path: Path) -> None:
    text = ONE_AGENT.replace('queue = "sales"', 'queue = "sales"\ngroup = "desk"')
    text += 'queues = []\n[groups.desk]\nteams = ["ana"]\nring_strategy = "sequential"\n'
    assert played(text, {"at_s": 3}, tmp_path=tmp_path) == [("answered", 0)]


def test_a_queues_settings_are_the_engines_own() -> None:
    table = tomllib.loads(ONE_AGENT)
    table["traffic"][0] |= {"per_hour": 1}
    del table["traffic"][0]["trace"]
    table["queues"]["sales"] = {"agent_selection": "least_busy", "offer_timeout_s": 5}
    queue = scenario(table, {}).queues["sales"].configured
    assert (queue.agent_selection, queue.offer_timeout_ms) == (AgentSelection.LEAST_BUSY, 5000)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"queues": {"sales": {"offer_timout_s": 5}}}, "unknown offer_timout_s"),
        ({"queues": {"sales": {"agent_selection": "tallest"}}}, "one of longest_idle"),
        ({"queues": {"sales": {"priority": "high"}}}, "of type int"),
        ({"queues": {"support": {}}}, "no queue sales"),
        ({"hours": 0}, "hours is a number above 0"),
        ({"warm_up_minutes": 600}, "warm_up_minutes lie within hours"),
        ({"team": []}, "at least one"),
        ({"team": [{"name": "a", "agents": 1, "queues": ["x"]}]}, "no queue x"),
        ({"team": [{"name": "a", "agents": 1, "shifts": [["8", "9"]]}]}, "time of day"),
        ({"team": [{"name": "a", "agents": 1, "skills": {"en": 1.5}}]}, "of type int"),
        ({"traffic": [{"queue": "sales", "service": {}}]}, "one of per_hour, profile, trace"),
        (
            {"traffic": [{"queue": "sales", "per_hour": 5, "service": {"distribution": "x"}}]},
            "distribution is one of",
        ),
        ({"starts": "today"}, "starts is a date"),
        ({"speed": 5}, "unknown speed"),
    ],
)
def test_a_scenario_that_cannot_be_run_says_why(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadScenario, match=told):
        scenario(
            {
                **tomllib.loads(ONE_AGENT.replace('trace = "calls"', "per_hour = 5")),
                **change,
            },
            {},
        )


def test_a_trace_of_another_queue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadScenario, match="no queue support for the trace"):
        played(ONE_AGENT, {"at_s": 1, "queue": "support"}, tmp_path=tmp_path)


def test_a_trace_is_read_alike_from_csv_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("at_s,queue,service_s,patience_s\n9,sales,60,\n1.5,,,30\n")
    calls = [{"at_s": 9, "queue": "sales", "service_s": 60}, {"at_s": 1.5, "patience_s": 30}]
    (tmp_path / "a.json").write_text(json.dumps(calls))
    assert read_trace(tmp_path / "a.csv") == read_trace(tmp_path / "a.json")
    (tmp_path / "b.csv").write_text("at_s\n-1\n")
    with pytest.raises(BadScenario, match="call 1: at_s"):
        read_trace(tmp_path / "b.csv")


@pytest.mark.parametrize(
    "duration", [Exponential(180), Deterministic(180), Lognormal(180, 1.5)], ids=repr
)
def test_a_duration_lasts_its_mean(duration: Any) -> None:
    dice = Random(1)
    assert sum(duration(dice) for _ in range(100_000)) / 100_000 == pytest.approx(180, rel=0.02)


def test_a_daily_profile_follows_the_clock() -> None:
    profile = DailyProfile(((8 * 3600.0, 600.0), (12 * 3600.0, 60.0), (20 * 3600.0, 0.0)))
    six = 6 * 3600.0
    arrivals = [it.at_s for it in profile(Random(2), 24 * 3600.0, six)]
    morning = sum(7200 <= at < 6 * 3600 for at in arrivals)
    evening = sum(6 * 3600 <= at < 14 * 3600 for at in arrivals)
    assert morning == pytest.approx(2400, rel=0.05)
    assert evening == pytest.approx(480, rel=0.1)
    assert len(arrivals) == morning + evening


def test_the_seed_decides_everything() -> None:
    one, again, other = (
        str(report(simulated(busy(hours=2, replications=2, seed=seed)))) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_both_sides_of_a_what_if_have_the_same_calls() -> None:
    base = busy()
    other = read_scenario(EXAMPLES / "trained.toml").with_traffic_of(base)
    drawn = [trace(it.traffic, "1/0", it.horizon / 1000, it.starts_s) for it in (base, other)]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) > 2000


def test_common_calls_show_what_chance_would_hide() -> None:
    """Training four agents helps technical callers, by less than days differ from each other."""
    base = busy(replications=6)
    runs = simulated(base)
    other = simulated(read_scenario(EXAMPLES / "trained.toml").with_traffic_of(base))
    paired = differences(other, runs)["technical"]["service_level"]
    alone, changed = (report(it)["technical"]["service_level"] for it in (runs, other))
    assert paired.mean - paired.half_width > 0
    assert paired.half_width < alone.half_width + changed.half_width


def test_nothing_changes_when_nothing_is_changed() -> None:
    base = busy(hours=2, replications=3)
    for measures in differences(simulated(base), simulated(base)).values():
        assert all(it.holds(0.0) and it.half_width == 0 for it in measures.values())


def test_measures_are_what_their_names_say() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.9) == 4.0
    assert gini([1.0, 1.0, 1.0, 1.0]) == pytest.approx(0)
    assert gini([0.0, 0.0, 0.0, 1.0]) == pytest.approx(0.75)
    assert jain([1.0, 1.0, 1.0, 1.0]) == pytest.approx(1)
    assert jain([0.0, 0.0, 0.0, 1.0]) == pytest.approx(0.25)
    it = estimate([1.0, 2.0, 3.0])
    assert it.mean == 2.0
    assert it.half_width == pytest.approx(4.303 / 3**0.5, rel=1e-3)


def test_every_call_is_counted_once() -> None:
    it = busy(hours=3, warm_up_minutes=0)
    calls = trace(it.traffic, "1", it.horizon / 1000, it.starts_s)
    result = run(it, calls)
    assert [one.call for one in result.calls] == list(calls)
    assert all(one.fate is not Fate.WAITS for one in result.calls)
    (all_of_it,) = simulated(busy(hours=3, warm_up_minutes=0, replications=1))
    measures: Measures = all_of_it[EVERYTHING]
    assert measures.calls == measures.answered + round(measures.calls * measures.abandoned)


def told(
    capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch, *arguments: str | Path
) -> str:
    patch.setattr(sys, "argv", ["simulate", *(str(it) for it in arguments)])
    simulate._main(simulate._options())
    return capsys.readouterr().out


def test_the_examples_of_the_manual_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found_in = tmp_path / "found.json"
    arguments = (EXAMPLES / "support.toml", "--compare", EXAMPLES / "trained.toml")
    lines = told(capsys, monkeypatch, *arguments, "--json", found_in)
    assert "What the second has more" in lines
    found = json.loads(found_in.read_text())
    assert found["queues"]["technical"]["wait_p90"]["mean"] > 0
    assert found["compared"]["differences"]["technical"]["service_level"]["mean"] > 0


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG")])
def test_figures_become_a_picture(tmp_path: Path, kind: str, begins: bytes) -> None:
    found = report(simulated(busy(hours=1, replications=2)))
    path = tmp_path / f"found.{kind}"
    plot({"as it is": found, "what if": found}, path)
    drawn = path.read_bytes()
    assert drawn.startswith(begins)
    assert kind == "png" or b"what if" in drawn


def test_a_picture_that_cannot_be_drawn_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    monkeypatch.delitem(sys.modules, "services.dispatch.adapters.plots")
    with pytest.raises(BadScenario, match=r"pip install centralita\[plot\]"):
        told(capsys, monkeypatch, EXAMPLES / "support.toml", "--plot", tmp_path / "found.svg")
