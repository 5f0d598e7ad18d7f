"""What is simulated: queues, traffic, staff. Values only; files are read elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.dispatch.domain.inputs import (
    AgentConfigured,
    GroupConfigured,
    QueueConfigured,
    Skills,
)

from .arrivals import DAY_S, HOUR_S, DailyProfile, Pattern, Poisson, Recorded, Traffic
from .distributions import Duration, duration
from .settings import BadScenario, number, only, settings

TENANT = "simulated"
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue's settings, as the engine has them, and the time within which to answer."""

    configured: QueueConfigured
    service_level_ms: int = 20_000


@dataclass(frozen=True, slots=True)
class Team:
    """Agents who are alike.

    `shifts`: seconds since midnight, from and to, each day; none: always there. `answer_ms`: how
    long one of them lets it ring.
    """

    name: str
    agents: tuple[AgentConfigured, ...]
    shifts: tuple[tuple[float, float], ...] = ()
    answer_ms: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """Times in milliseconds. What happens before `warm_up` is run, and not counted."""

    queues: Mapping[str, Queue]
    traffic: tuple[Traffic, ...]
    teams: tuple[Team, ...]
    starts: int
    """Milliseconds since 1970 UTC."""
    horizon: int
    warm_up: int
    replications: int = 8
    seed: int = 1
    groups: tuple[GroupConfigured, ...] = ()

    @property
    def starts_s(self) -> float:
        """Seconds since midnight UTC at which the run begins."""
        return self.starts / 1000 % DAY_S

    def with_traffic_of(self, other: "Scenario") -> "Scenario":
        """Return this configuration under another's traffic, clock and dice. Raises BadScenario."""
        if unknown := {it.queue_id for it in other.traffic} - {*self.queues}:
            raise BadScenario(f"What if: no queue {', '.join(sorted(unknown))} for the calls.")
        return replace(
            self,
            traffic=other.traffic,
            starts=other.starts,
            horizon=other.horizon,
            warm_up=other.warm_up,
            replications=other.replications,
            seed=other.seed,
        )


_CLOCK = ("seed", "starts", "hours", "warm_up_minutes", "replications")
_KNOWN = (*_CLOCK, "queues", "groups", "traffic", "team")


def scenario(table: Mapping[str, Any], traces: Mapping[str, Recorded]) -> Scenario:
    """Read a scenario from the tables of its file, and the traces it names. Raises BadScenario."""
    only(table, "the scenario", *_KNOWN)
    queues = {
        queue_id: _queue(queue_id, dict(of), f"queues.{queue_id}")
        for queue_id, of in table.get("queues", {}).items()
    }
    teams = tuple(_team(dict(of), queues) for of in table.get("team", []))
    traffic = tuple(
        _traffic(dict(of), f"traffic {n}", queues, traces)
        for n, of in enumerate(table.get("traffic", []), 1)
    )
    if not queues or not traffic or not teams:
        raise BadScenario("A scenario has queues, [[traffic]] and at least one [[team]].")
    hours = number(table, "hours", "the scenario")
    warm_up = float(table.get("warm_up_minutes", 0)) * MINUTE_S
    if not 0 <= warm_up < hours * HOUR_S:
        raise BadScenario("the scenario: warm_up_minutes lie within hours.")
    starts = table.get("starts", datetime.fromisoformat("2026-01-05T00:00:00+00:00"))
    if not isinstance(starts, datetime) or starts.tzinfo is None:
        raise BadScenario("the scenario: starts is a date and time with Z or an offset.")
    return Scenario(
        queues,
        traffic,
        teams,
        round(starts.timestamp() * 1000),
        round(hours * HOUR_S * 1000),
        round(warm_up * 1000),
        int(number(table, "replications", "the scenario", 8)),
        int(number(table, "seed", "the scenario", 1)),
        tuple(
            _group(group_id, dict(of), teams) for group_id, of in table.get("groups", {}).items()
        ),
    )


def _queue(queue_id: str, table: dict[str, Any], where: str) -> Queue:
    level = number(table, "service_level_s", where, 20)
    table.pop("service_level_s", None)
    configured = settings(
        QueueConfigured, table, where, tenant_id=TENANT, queue_id=queue_id, version=1
    )
    return Queue(configured, round(level * 1000))


def _team(table: dict[str, Any], queues: Mapping[str, Queue]) -> Team:
    name = table.pop("name", "")
    where = f"team {name}"
    if not isinstance(name, str) or not name:
        raise BadScenario("A team has a name.")
    count = int(number(table, "agents", where))
    answer = table.pop("answer_s", 0)
    shifts = tuple(_shift(one, where) for one in table.pop("shifts", ()))
    del table["agents"]
    table["queue_ids"] = sorted(table.pop("queues", queues))
    table.setdefault("capacity", 1)
    if unknown := set(table["queue_ids"]) - set(queues):
        raise BadScenario(f"{where}: no queue {', '.join(sorted(unknown))}.")
    agents = tuple(
        settings(
            AgentConfigured,
            table,
            where,
            tenant_id=TENANT,
            agent_id=f"{name}-{one}",
            version=1,
        )
        for one in range(1, count + 1)
    )
    return Team(name, agents, shifts, round(float(answer) * 1000))


def _group(group_id: str, table: dict[str, Any], teams: tuple[Team, ...]) -> GroupConfigured:
    where, members = f"groups.{group_id}", table.pop("teams", [])
    if unknown := set(members) - {team.name for team in teams}:
        raise BadScenario(f"{where}: no team {', '.join(sorted(unknown))}.")
    table["member_ids"] = [
        agent.agent_id for team in teams if team.name in members for agent in team.agents
    ]
    return settings(GroupConfigured, table, where, tenant_id=TENANT, group_id=group_id, version=1)


def _shift(value: Any, where: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - from and to
        raise BadScenario(f'{where}: a shift is ["08:00", "16:00"].')
    begins, ends = (_time_of_day(one, where) for one in value)
    return begins, ends if ends > begins else ends + DAY_S


_OF_TRAFFIC = (
    "queue",
    "group",
    "service",
    "patience",
    "after_service",
    "skills",
    "priority",
    "cost",
)


def _traffic(
    table: dict[str, Any],
    where: str,
    queues: Mapping[str, Queue],
    traces: Mapping[str, Recorded],
) -> Traffic:
    named = ("per_hour", "profile", "trace")
    only(table, where, *named, *_OF_TRAFFIC)
    if table.get("queue") not in queues:
        raise BadScenario(f"{where}: no queue {table.get('queue')}.")
    if len(set(table) & set(named)) != 1:
        raise BadScenario(f"{where}: one of {', '.join(named)}.")
    pattern = _pattern(table, where, traces)
    if isinstance(pattern, Recorded) and (
        strange := {it.queue_id for it in pattern.arrivals} - {"", *queues}
    ):
        raise BadScenario(f"{where}: no queue {', '.join(sorted(strange))} for the trace.")
    return Traffic(
        table["queue"],
        pattern,
        duration(table.get("service"), f"{where}, service"),
        _optional(table, "patience", where),
        _optional(table, "after_service", where),
        _skills(table.get("skills", {}), where),
        int(table.get("priority", 0)),
        int(number(table, "cost", where, 1)),
        str(table.get("group", "")),
    )


def _pattern(table: Mapping[str, Any], where: str, traces: Mapping[str, Recorded]) -> Pattern:
    if "trace" in table:
        return traces[table["trace"]]
    if "per_hour" in table:
        return Poisson(number(table, "per_hour", where))
    rates = sorted(
        (_time_of_day(since, where), float(rate)) for since, rate in table["profile"].items()
    )
    if not rates or max(rate for _, rate in rates) <= 0 or min(rate for _, rate in rates) < 0:
        raise BadScenario(f'{where}: a profile is {{"08:00" = 300, "20:00" = 0}}.')
    return DailyProfile(tuple(rates))


def _optional(table: Mapping[str, Any], name: str, where: str) -> Duration | None:
    return duration(table[name], f"{where}, {name}") if name in table else None


def _skills(table: Any, where: str) -> Skills:
    if not isinstance(table, Mapping) or not all(type(level) is int for level in table.values()):
        raise BadScenario(f"{where}: skills are {{english = 3}}.")
    return tuple(sorted(table.items()))


def _time_of_day(text: Any, where: str) -> float:
    """Return seconds since midnight of "08:30"."""
    try:
        hours, minutes = (int(part) for part in str(text).split(":"))
    except ValueError as error:
        raise BadScenario(f'{where}: a time of day is "08:30".') from error
    return hours * HOUR_S + minutes * MINUTE_S
