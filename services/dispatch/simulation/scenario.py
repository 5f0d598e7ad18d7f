"""What is simulated: queues, traffic, staff. Values only; files are read elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.dispatch.domain.inputs import (
    AgentConfigured,
    GroupConfigured,
    QueueConfigured,
    Skills,
)
from services.dispatch.domain.policy import BusinessHours

from .arrivals import DAY_S, HOUR_S, DailyProfile, Pattern, Poisson, Recorded, Traffic
from .distributions import Duration, duration
from .recordings import recorded
from .settings import BadScenario, amount, listed, named, number, only, settings, texts, whole

TENANT = "simulated"
EVERYTHING = "all"
"""Where the measures of all queues together stand; so no queue has this name."""
MINUTE_S = 60.0
DAY_MINUTES = 24 * 60


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


YEARS = range(2000, 2100)
CLOCK = ("seed", "starts", "hours", "warm_up_minutes", "replications")
_KNOWN = (*CLOCK, "queues", "groups", "traffic", "team")


class NoTrace(BadScenario):
    """A scenario names a file, and there is none for it."""


def scenario(table: Mapping[str, Any], traces: Mapping[str, Recorded]) -> Scenario:
    """Read a scenario from the tables of its file, and the traces it names. Raises BadScenario."""
    only(table, "the scenario", *_KNOWN)
    queues = {
        queue_id: _queue(queue_id, of, f"queues.{queue_id}")
        for queue_id, of in named(table, "queues").items()
    }
    teams = tuple(_team(of, queues) for of in listed(table, "team"))
    traffic = tuple(
        _traffic(of, f"traffic {n}", queues, traces)
        for n, of in enumerate(listed(table, "traffic"), 1)
    )
    if not queues or not traffic or not teams:
        raise BadScenario("A scenario has queues, [[traffic]] and at least one [[team]].")
    hours = number(table, "hours", "the scenario")
    warm_up = amount(table, "warm_up_minutes", "the scenario") * MINUTE_S
    if not warm_up < hours * HOUR_S:
        raise BadScenario("the scenario: warm_up_minutes lie within hours.")
    return Scenario(
        queues,
        traffic,
        teams,
        round(_starts(table).timestamp() * 1000),
        round(hours * HOUR_S * 1000),
        round(warm_up * 1000),
        whole(table, "replications", "the scenario", 8),
        whole(table, "seed", "the scenario", 1),
        tuple(_group(group_id, of, teams) for group_id, of in named(table, "groups").items()),
    )


def _starts(table: Mapping[str, Any]) -> datetime:
    """Return when a run begins: a date of TOML's, or the same as text."""
    value = table.get("starts", "2026-01-05T00:00:00+00:00")
    try:
        starts = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        starts = None
    if not isinstance(starts, datetime) or starts.tzinfo is None or starts.year not in YEARS:
        raise BadScenario(
            "the scenario: starts is a date and time of this century with Z or an offset."
        )
    return starts


def _queue(queue_id: str, table: dict[str, Any], where: str) -> Queue:
    if not queue_id or queue_id == EVERYTHING:
        raise BadScenario(f"{where}: a queue has a name, and not {EVERYTHING}.")
    level = number(table, "service_level_s", where, 20)
    table.pop("service_level_s", None)
    configured = settings(
        QueueConfigured, table, where, tenant_id=TENANT, queue_id=queue_id, version=1
    )
    if configured.policy.hours is not None:
        _check(configured.policy.hours, f"{where}.policy.hours")
    return Queue(configured, round(level * 1000))


def _check(hours: BusinessHours, where: str) -> None:
    """Refuse what no calendar has. The directory asks the same of those who really wait."""
    spans = [*hours.weekly, *(span for _, some in hours.exceptions for span in some)]
    if not all(0 <= it.opens < it.closes <= DAY_MINUTES for it in spans):
        raise BadScenario(f"{where}: opens lies before closes, in minutes since midnight.")
    try:
        ZoneInfo(hours.time_zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise BadScenario(f"{where}: time_zone is a name like Europe/Madrid.") from error


def _team(table: dict[str, Any], queues: Mapping[str, Queue]) -> Team:
    name = table.pop("name", "")
    where = f"team {name}"
    if not isinstance(name, str) or not name:
        raise BadScenario("A team has a name.")
    count = whole(table, "agents", where)
    answer = amount(table, "answer_s", where)
    shifts = tuple(_shift(one, where) for one in _list(table, "shifts", where))
    queue_ids = sorted(texts(table.get("queues", [*queues]), f"{where}.queues"))
    if unknown := set(queue_ids) - set(queues):
        raise BadScenario(f"{where}: no queue {', '.join(sorted(unknown))}.")
    for own in ("agents", "answer_s", "shifts", "queues"):
        table.pop(own, None)
    table |= {"queue_ids": queue_ids, "capacity": whole(table, "capacity", where, 1)}
    one = settings(AgentConfigured, table, where, tenant_id=TENANT, agent_id="", version=1)
    agents = tuple(replace(one, agent_id=f"{name}-{number}") for number in range(1, count + 1))
    return Team(name, agents, shifts, round(answer * 1000))


def _group(group_id: str, table: dict[str, Any], teams: tuple[Team, ...]) -> GroupConfigured:
    where = f"groups.{group_id}"
    members = texts(table.pop("teams", []), f"{where}.teams")
    if unknown := set(members) - {team.name for team in teams}:
        raise BadScenario(f"{where}: no team {', '.join(sorted(unknown))}.")
    table["member_ids"] = [
        agent.agent_id for team in teams if team.name in members for agent in team.agents
    ]
    return settings(GroupConfigured, table, where, tenant_id=TENANT, group_id=group_id, version=1)


def _list(table: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = table.get(name, [])
    if not isinstance(value, list):
        raise BadScenario(f"{where}: {name} is a list.")
    return value


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
    if not isinstance(table.get("queue"), str) or table["queue"] not in queues:
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
        round(amount(table, "priority", where)),
        whole(table, "cost", where, 1),
        str(table.get("group", "")),
    )


def _pattern(table: Mapping[str, Any], where: str, traces: Mapping[str, Recorded]) -> Pattern:
    if "trace" in table:
        return _trace(table["trace"], f"{where}, trace", traces)
    if "per_hour" in table:
        return Poisson(number(table, "per_hour", where))
    profile = table["profile"] if isinstance(table["profile"], Mapping) else {}
    rates = sorted((_time_of_day(since, where), amount(profile, since, where)) for since in profile)
    if not rates or max(rate for _, rate in rates) <= 0:
        raise BadScenario(f'{where}: a profile is {{"08:00" = 300, "20:00" = 0}}.')
    return DailyProfile(tuple(rates))


def _trace(value: Any, where: str, traces: Mapping[str, Recorded]) -> Recorded:
    if isinstance(value, list):
        return recorded(value, where)
    if not isinstance(value, str) or value not in traces:
        raise NoTrace(f"{where}: no file {value} can be read here; say the calls in a list.")
    return traces[value]


def _optional(table: Mapping[str, Any], name: str, where: str) -> Duration | None:
    return duration(table[name], f"{where}, {name}") if name in table else None


def _skills(table: Any, where: str) -> Skills:
    if not isinstance(table, Mapping) or not all(type(level) is int for level in table.values()):
        raise BadScenario(f"{where}: skills are {{english = 3}}.")
    return tuple(sorted(table.items()))


def _time_of_day(text: Any, where: str) -> float:
    """Return seconds since midnight of "08:30"; "24:00" is the next."""
    try:
        hours, minutes = (int(part) for part in str(text).split(":"))
    except ValueError as error:
        raise BadScenario(f'{where}: a time of day is "08:30".') from error
    seconds = hours * HOUR_S + minutes * MINUTE_S
    if min(hours, minutes) < 0 or seconds > DAY_S:
        raise BadScenario(f'{where}: a time of day is "08:30".')
    return seconds
